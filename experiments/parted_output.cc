#include "experiments/parted_output.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/rng.h"

namespace cogent {
namespace {
namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;
}  // namespace

std::string TextMark(const std::string& path, std::string_view text) { return fmt::format("# {} {:016x}\n", path, Rng(0).Fork(text).key()); }

PartedOutput::PartedOutput(std::string path, std::string settings, bool resume) : path_(std::move(path)), settings_(std::move(settings)) {
  if (!resume) {
    if (fs::exists(path_)) throw ConfigError(path_ + " exists; go on with it by --resume, or choose another --output");
    Save();
  } else if (!fs::exists(State())) {
    throw ConfigError(fs::exists(path_ + ".report.json") ? path_ + " is finished already" : path_ + ": there is nothing to resume; leave --resume away");
  } else {
    try {
      const OrderedJson state = OrderedJson::parse(ReadFile(State()));
      if (state.at("settings") != settings_) throw ConfigError(path_ + " was begun with another configuration, checkpoint or input; give the same line with --resume, or another --output");
      done_ = state.at("done").get<int>();
      bytes_ = state.at("bytes").get<std::uintmax_t>();
      if (const OrderedJson& counts = state.at("counts"); !counts.is_null()) counts_ = counts.dump();
    } catch (const nlohmann::json::exception& error) {
      throw DataError(State() + " cannot be read (" + error.what() + "); remove it and " + path_ + ", and begin again");
    }
    const bool there = fs::exists(path_);  // not when it was killed before its first line
    if (bytes_ > 0 && (!there || fs::file_size(path_) < bytes_)) throw DataError(path_ + " is shorter than " + State() + " says; it was changed. Remove both and begin again");
    if (there) fs::resize_file(path_, bytes_);
  }
  file_ = std::make_unique<LineFile>(path_);
}

void PartedOutput::Save() {
  const OrderedJson counts = counts_.empty() ? OrderedJson() : OrderedJson::parse(counts_);
  WriteFileAtomic(State(), OrderedJson{{"settings", settings_}, {"done", done_}, {"bytes", bytes_}, {"counts", counts}}.dump(2) + "\n");
}

void PartedOutput::Commit(int done, const std::string& counts) {
  file_->Sync();
  done_ = done, counts_ = counts;
  bytes_ = fs::file_size(path_);
  Save();
}

void PartedOutput::Finish(const std::string& report) {
  WriteFileAtomic(path_ + ".report.json", report + "\n");
  fs::remove(State());
}

}  // namespace cogent
