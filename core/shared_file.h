// What was read from a file, once for all who ask, for as long as one of them holds it.
//
//   std::shared_ptr<const Problems> problems = SharedFile<Problems>(path, [&] { return ReadProblems(path); });
//
// An environment is made for every episode, thousands in a rollout; its file is read once. A file that was written since is
// read again. `how` tells readings apart that give other values of one type; an empty path is no file, and always the same.
// What `make` throws goes to the caller, and the next one tries again.
// Thread rule: any thread; readers of one type wait for each other.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>

namespace cogent {

template <typename T, typename Make>
std::shared_ptr<const T> SharedFile(const std::string& path, const Make& make, const std::string& how = {}) {
  static std::mutex guard;
  static std::map<std::string, std::weak_ptr<const T>> known;
  std::error_code absent;
  const auto size = std::filesystem::file_size(path, absent);
  const auto written = std::filesystem::last_write_time(path, absent).time_since_epoch().count();
  const std::lock_guard lock(guard);
  std::weak_ptr<const T>& place = known[path + "\n" + how + "\n" + std::to_string(size) + " " + std::to_string(written)];
  if (auto value = place.lock()) return value;
  auto value = std::make_shared<const T>(make());
  place = value;
  return value;
}

}  // namespace cogent
