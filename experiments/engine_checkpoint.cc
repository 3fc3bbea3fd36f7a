#include "experiments/engine_checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "experiments/engine_critic.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

void SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

// Removes what was begun when writing fails.
template <typename Write>
void WriteOrRemove(const std::string& dir, const Write& write) {
  std::error_code ignored;
  fs::remove_all(dir, ignored);
  try {
    fs::create_directories(dir);
    write();
  } catch (const fs::filesystem_error& error) {
    fs::remove_all(dir, ignored);
    throw DataError(fmt::format("{}: cannot be written: {}; earlier checkpoints are whole", dir, error.code().message()));
  } catch (...) {
    fs::remove_all(dir, ignored);
    throw;
  }
}

}  // namespace

Checkpoints::Checkpoints(std::string run_dir) : dir_(std::move(run_dir) + "/checkpoints") {}

void Checkpoints::RemoveUnfinished() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::path(dir_).parent_path(), ignored)) {  // WriteFileAtomic's
    if (entry.path().filename().string().find(".part-") != std::string::npos) fs::remove(entry.path(), ignored);
  }
  if (!fs::is_directory(dir_)) return;
  for (const auto& entry : fs::directory_iterator(dir_)) {
    if (entry.path().filename().string().starts_with(".")) fs::remove_all(entry.path(), ignored);
  }
}

std::string Checkpoints::Path(const std::string& phase, std::int64_t step) const { return fmt::format("{}/{}-{:06d}", dir_, phase, step); }

void Checkpoints::Publish(const std::string& temporary, const std::string& name) {
  SyncDirectory(temporary);
  // One that is replaced changes places with the new one at once: there is a whole one at any moment.
  if (fs::exists(name) && renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, name.c_str(), RENAME_EXCHANGE) == 0) {
    SyncDirectory(dir_);
    Remove(temporary);
    return;
  }
  Remove(name);
  fs::rename(temporary, name);
  SyncDirectory(dir_);
}

// Under a dotted name first, so that what a kill leaves of it is never taken for a checkpoint.
void Checkpoints::Remove(const std::string& path) {
  const std::string dying = dir_ + "/.removing";
  std::error_code error;
  fs::remove_all(dying, error);
  fs::rename(path, dying, error);
  fs::remove_all(error ? path : dying, error);
}

void Checkpoints::Link(const std::string& name, const std::string& target) {
  const std::string fresh = dir_ + "/." + name;
  std::error_code ignored;
  fs::remove(fresh, ignored);
  fs::create_symlink(target, fresh);
  fs::rename(fresh, dir_ + "/" + name);
}

void Checkpoints::Save(const std::string& phase, const ParameterSet& parameters, const Tokenizer& tokenizer, const AdamW& optimizer,
                       const TrainerState& state, int keep, const Critic* critic) {
  const std::string temporary = dir_ + "/.writing";
  WriteOrRemove(temporary, [&] {
    parameters.Save(temporary);
    tokenizer.Save(temporary + "/tokenizer.json");
    optimizer.Save(temporary + "/optimizer.safetensors");
    if (critic != nullptr) SaveCritic(*critic, temporary);
    nlohmann::ordered_json j{{"step", state.step}, {"num_tokens", state.num_tokens}, {"seconds", state.seconds},
                             {"best", state.best}, {"best_step", state.best_step}, {"algorithm", state.algorithm}, {"next_task", state.next_task}, {"before", state.before}, {"after", state.after}};
    WriteFileAtomic(temporary + "/trainer_state.json", j.dump(2) + "\n");
  });
  Publish(temporary, Path(phase, state.step));
  Settle(phase, state, keep);
}

void Checkpoints::Settle(const std::string& phase, const TrainerState& state, int keep) {
  Link("latest", fs::path(Path(phase, state.step)).filename().string());
  auto steps = Steps(phase);
  // Later ones belong to a future that was given up by resuming before it; its records are cut, too.
  for (; !steps.empty() && steps.back() > state.step; steps.pop_back()) Remove(Path(phase, steps.back()));
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < steps.size(); ++i) {
    if (phase != "step" || steps[i] != state.best_step) Remove(Path(phase, steps[i]));
  }
}

void Checkpoints::SaveBase(const ParameterSet& parameters, const Tokenizer& tokenizer) {
  const std::string temporary = dir_ + "/.base";
  WriteOrRemove(temporary, [&] {
    parameters.Save(temporary);
    tokenizer.Save(temporary + "/tokenizer.json");
  });
  Publish(temporary, BasePath());
}

void Checkpoints::MarkBest(std::int64_t step) { Link("best", fs::path(Path("step", step)).filename().string()); }

void Checkpoints::DropPhase(const std::string& phase) {
  for (const std::int64_t step : Steps(phase)) Remove(Path(phase, step));
}

std::vector<std::int64_t> Checkpoints::Steps(const std::string& phase) const {
  std::vector<std::int64_t> steps;
  if (!fs::is_directory(dir_)) return steps;
  for (const auto& entry : fs::directory_iterator(dir_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(phase + "-") && fs::exists(entry.path() / "trainer_state.json")) {
      steps.push_back(std::atoll(name.c_str() + phase.size() + 1));
    }
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

bool Checkpoints::HasBase() const { return fs::exists(BasePath() + "/model.safetensors"); }

TrainerState Checkpoints::Load(const std::string& phase, std::int64_t step, ParameterSet& parameters, AdamW& optimizer) const {
  const std::string path = Path(phase, step);
  parameters.Load(path, Rng(0));
  optimizer.Load(path + "/optimizer.safetensors");
  const std::string file = path + "/trainer_state.json";
  try {
    const auto j = nlohmann::json::parse(ReadFile(file));
    TrainerState state;
    state.step = j.at("step");
    state.num_tokens = j.at("num_tokens");
    state.seconds = j.at("seconds");
    state.best = j.at("best");
    state.best_step = j.at("best_step");
    state.algorithm = j.value("algorithm", std::map<std::string, double>());
    state.next_task = j.value("next_task", std::uint64_t{0});
    state.before = j.at("before").get<std::map<std::string, double>>();
    state.after = j.value("after", std::map<std::string, double>());
    return state;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(file + ": is damaged: " + error.what());
  }
}

}  // namespace cogent
