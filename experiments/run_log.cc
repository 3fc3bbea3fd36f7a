#include "experiments/run_log.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "experiments/tensorboard.h"
#include "experiments/text.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr int kTextsAStep = 4;  // samples of a step that TensorBoard shows
constexpr const char* kStepFiles[] = {"metrics.jsonl", "samples.jsonl", "eval.jsonl"};

double SystemTime() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

double Milliseconds(double seconds) { return std::round(seconds * 1000.0) / 1000.0; }

// JSON has no NaN: absent numbers are null.
OrderedJson Number(double value) { return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr); }

void PutNumbers(OrderedJson& object, const Metrics& metrics) {
  for (const auto& [name, value] : metrics) {
    Check(!object.contains(name), "a metric bears the name of a fixed field (step, time, eval)");
    object[ToValidUtf8(name)] = Number(value);
  }
}

OrderedJson NumbersOf(const Metrics& metrics) {
  OrderedJson object = OrderedJson::object();
  PutNumbers(object, metrics);
  return object;
}

std::string UtcTime(double unix_seconds) {
  const std::time_t seconds = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

// The value behind `key` in a file of "key : value" lines; empty when there is none.
std::string FromProc(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find_first_of(":=");
    const std::size_t start =
        colon == std::string::npos ? colon : line.find_first_not_of(" \t\"", colon + 1);
    if (start == std::string::npos) return {};
    return line.substr(start, line.find_last_not_of(" \t\"") - start + 1);
  }
  return {};
}

OrderedJson MachineFacts() {
  utsname kernel{};
  uname(&kernel);
  OrderedJson machine;
  machine["processor"] = ToValidUtf8(FromProc("/proc/cpuinfo", "model name"));
  machine["cores"] = std::thread::hardware_concurrency();
  machine["memory_bytes"] =
      static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  machine["system"] = ToValidUtf8(FromProc("/etc/os-release", "PRETTY_NAME"));
  machine["kernel"] = fmt::format("{} {} {}", kernel.sysname, kernel.release, kernel.machine);
  machine["compiler"] = fmt::format("{} {}",
#if defined(__clang__)
                                    "Clang",
#else
                                    "GCC",
#endif
                                    __VERSION__);
  return machine;
}

std::string EnvironmentText(const RunEnvironment& environment, double now) {
  OrderedJson object;
  object["version"] = ToValidUtf8(environment.version);
  object["commit"] = ToValidUtf8(environment.commit);
  object["libtorch"] = ToValidUtf8(environment.libtorch);
  object["command"] = ToValidUtf8(environment.command);
  object["seed"] = environment.seed;
  object["threads"] = environment.threads;
  object["started"] = UtcTime(now);
  object["machine"] = MachineFacts();
  object["resumes"] = OrderedJson::array();
  return object.dump(2) + "\n";
}

// Notes in environment.json that the run went on from a checkpoint; a damaged file is left alone.
void NoteResume(const std::string& path, std::int64_t step, double now) {
  if (!fs::exists(path)) return;
  OrderedJson object = OrderedJson::parse(ReadFile(path), nullptr, false);
  if (!object.is_object() || (object.contains("resumes") && !object["resumes"].is_array())) return;
  object["resumes"].push_back({{"step", step}, {"time", UtcTime(now)}});
  WriteFileAtomic(path, object.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
}

std::optional<std::int64_t> StepOf(const std::string& line) {
  const OrderedJson object = OrderedJson::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto step = object.find("step");
  if (step == object.end() || !step->is_number_integer()) return std::nullopt;
  return step->get<std::int64_t>();
}

// Keeps everything up to the last whole line of a step <= `step`.
void CutToStep(const std::string& path, std::int64_t step) {
  if (!fs::exists(path)) return;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw DataError(path + ": cannot be read; check its permissions");
  std::uintmax_t keep = 0;
  std::uintmax_t end = 0;
  for (std::string line; std::getline(file, line) && !file.eof();) {
    end += line.size() + 1;
    const std::optional<std::int64_t> line_step = StepOf(line);
    if (line_step && *line_step <= step) keep = end;
  }
  std::error_code error;
  fs::resize_file(path, keep, error);
  if (error)
    throw DataError(fmt::format("{}: cannot be cut to step {}: {}", path, step, error.message()));
}

void MakeRunDirectory(const std::string& dir) {
  std::error_code error;
  if (fs::exists(dir, error) && !fs::is_directory(dir, error)) {
    throw ConfigError(dir + ": is a file, and a run needs a directory; choose another name");
  }
  fs::create_directories(dir, error);
  if (error) throw DataError(fmt::format("{}: cannot be made: {}", dir, error.message()));
  const bool empty = fs::is_empty(dir, error);
  if (error) throw DataError(fmt::format("{}: cannot be read: {}", dir, error.message()));
  if (!empty) {
    throw ConfigError(dir +
                      ": this run directory exists and is not empty; continue the run with "
                      "--resume, choose another name, or remove the directory");
  }
}

const char* StatusName(TrajectoryStatus status) {
  switch (status) {
    case TrajectoryStatus::kDone:
      return "done";
    case TrajectoryStatus::kTruncated:
      return "truncated";
    case TrajectoryStatus::kUnscorable:
      return "unscorable";
  }
  return "unknown";
}

OrderedJson SampleJson(const SampleRecord& sample) {
  OrderedJson rewards = OrderedJson::object(), weights = OrderedJson::object(), reasons = OrderedJson::object();
  for (const NamedScore& score : sample.scores) {
    const std::string name = ToValidUtf8(score.name);
    rewards[name] = Number(score.score);
    weights[name] = Number(score.weight);
    if (!score.reason.empty()) reasons[name] = ToValidUtf8(score.reason);
  }
  OrderedJson line;
  line["step"] = sample.step;
  line["split"] = sample.split;
  line["task"] = ToValidUtf8(sample.task);
  line["answer"] = ToValidUtf8(sample.answer);
  line["prompt"] = ToValidUtf8(sample.prompt);
  line["completion"] = ToValidUtf8(sample.completion);
  line["rewards"] = std::move(rewards);
  line["weights"] = std::move(weights);
  line["reasons"] = std::move(reasons);
  line["reward"] = Number(sample.reward);
  line["advantage"] = Number(sample.advantage);
  line["length"] = sample.length;
  line["status"] = StatusName(sample.status);
  if (!sample.cause.empty()) line["cause"] = ToValidUtf8(sample.cause);
  return line;
}

// Markdown keeps line breaks and spaces of lines that are indented by four.
std::string Indented(const std::string& text) {
  std::string out = "    ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out + "\n";
}

std::string SampleMarkdown(const SampleRecord& sample) {
  std::string text = "prompt\n\n" + Indented(ToValidUtf8(sample.prompt)) + "\ncompletion\n\n" +
                     Indented(ToValidUtf8(sample.completion)) + "\n";
  for (const NamedScore& score : sample.scores) {
    text += fmt::format("{} {:.4g} (weight {:.4g}), ", ToValidUtf8(score.name), score.score,
                        score.weight);
  }
  return text + fmt::format("reward {:.4g}, {} tokens, {}", sample.reward, sample.length,
                            StatusName(sample.status));
}

}  // namespace

SampleRecord MakeSample(std::int64_t step, const Trajectory& trajectory, double advantage) {
  SampleRecord sample{.step = step,
                      .split = trajectory.id.split == Split::kTest ? "test" : "train",
                      .task = trajectory.task.prompt,
                      .answer = trajectory.task.answer,
                      .prompt = trajectory.prompt,
                      .completion = {},
                      .scores = trajectory.scores,
                      .reward = trajectory.reward,
                      .advantage = advantage,
                      .length = trajectory.CompletionTokens(),
                      .status = trajectory.status,
                      .cause = trajectory.cause};
  for (const Turn& turn : trajectory.turns) {
    if (&turn != &trajectory.turns.front()) sample.completion += '\n';
    sample.completion += turn.text;
  }
  return sample;
}

// A file of lines whose steps never go down.
struct StepFile {
  explicit StepFile(const std::string& path) : lines(path) {}
  void Append(std::int64_t step, const OrderedJson& line) {
    Check(step >= last_step, "the steps of a run's records must not go down");
    lines.Append(line.dump());
    last_step = step;
  }
  LineFile lines;
  std::int64_t last_step = std::numeric_limits<std::int64_t>::min();
};

struct RunLog::State {
  State(const std::string& run_dir, std::function<double()> run_clock,
        std::optional<std::int64_t> resume)
      : dir(run_dir),
        clock(run_clock ? std::move(run_clock) : SystemTime),
        lock(Cut(run_dir, resume)),
        metrics(dir + "/metrics.jsonl"),
        samples(dir + "/samples.jsonl"),
        eval(dir + "/eval.jsonl"),
        events(dir, clock(), resume) {}

  // Nothing is cut before the directory is ours.
  static std::unique_ptr<DirectoryLock> Cut(const std::string& dir,
                                            std::optional<std::int64_t> resume) {
    auto held = std::make_unique<DirectoryLock>(dir, "this run");
    if (resume) {
      for (const char* name : kStepFiles) CutToStep(dir + "/" + name, *resume);
    }
    return held;
  }

  std::string dir;
  std::function<double()> clock;
  std::unique_ptr<DirectoryLock> lock;
  StepFile metrics, samples, eval;
  EventWriter events;
  std::int64_t texts_step = -1;  // the step of the samples that TensorBoard was last given
  int texts = 0;
};

RunLog::RunLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunLog::RunLog(RunLog&&) noexcept = default;
RunLog& RunLog::operator=(RunLog&&) noexcept = default;
RunLog::~RunLog() = default;

RunLog RunLog::Create(const std::string& dir, const std::string& config_yaml,
                      const RunEnvironment& environment, std::function<double()> clock) {
  MakeRunDirectory(dir);
  auto state = std::make_unique<State>(dir, std::move(clock), std::nullopt);
  WriteFileAtomic(dir + "/environment.json", EnvironmentText(environment, state->clock()));
  WriteFileAtomic(dir + "/config.yaml", config_yaml);  // last: with it, this is a run that can be resumed
  return RunLog(std::move(state));
}

RunLog RunLog::Resume(const std::string& dir, std::int64_t step, std::function<double()> clock) {
  if (!fs::exists(dir + "/config.yaml")) {
    throw ConfigError(dir +
                      ": holds no run to resume (config.yaml is missing); check the name, or "
                      "start the run without --resume");
  }
  auto state = std::make_unique<State>(dir, std::move(clock), step);
  NoteResume(dir + "/environment.json", step, state->clock());
  return RunLog(std::move(state));
}

void RunLog::AddMetrics(std::int64_t step, const Metrics& metrics) {
  const double now = state_->clock();
  OrderedJson line{{"step", step}, {"time", Milliseconds(now)}};
  PutNumbers(line, metrics);
  state_->metrics.Append(step, line);
  for (const auto& [name, value] : metrics)
    state_->events.Scalar(ToValidUtf8(name), step, value, now);
}

void RunLog::AddSample(const SampleRecord& sample) {
  state_->samples.Append(sample.step, SampleJson(sample));
  if (sample.step != state_->texts_step) state_->texts = 0;
  state_->texts_step = sample.step;
  if (state_->texts++ >= kTextsAStep) return;
  state_->events.Text(fmt::format("samples/{}", state_->texts), sample.step, SampleMarkdown(sample),
                      state_->clock());
}

void RunLog::AddEval(std::int64_t step, const std::string& name, const Metrics& metrics) {
  const double now = state_->clock();
  OrderedJson line{{"step", step}, {"time", Milliseconds(now)}, {"eval", ToValidUtf8(name)}};
  PutNumbers(line, metrics);
  state_->eval.Append(step, line);
  for (const auto& [metric, value] : metrics) {
    state_->events.Scalar(ToValidUtf8("eval/" + name + "/" + metric), step, value, now);
  }
}

void RunLog::WriteSummary(const RunSummary& summary) {
  OrderedJson object;
  object["before"] = NumbersOf(summary.before);
  object["after"] = NumbersOf(summary.after);
  object["run"] = NumbersOf(summary.run);
  for (const auto& [name, text] : summary.text)
    object["run"][ToValidUtf8(name)] = ToValidUtf8(text);
  WriteFileAtomic(state_->dir + "/summary.json", object.dump(2) + "\n");
}

void RunLog::Sync() {
  state_->metrics.lines.Sync();
  state_->samples.lines.Sync();
  state_->eval.lines.Sync();
  state_->events.Sync();
}

const std::string& RunLog::dir() const { return state_->dir; }

}  // namespace cogent
