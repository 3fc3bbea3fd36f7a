// RunCli: what main() calls. Commands that need no LibTorch are answered here, the rest by the engine.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <new>

#include "core/config.h"
#include "core/error.h"
#include "core/file.h"
#include "experiments/ablate.h"
#include "experiments/cli.h"
#include "experiments/comparison_report.h"
#include "experiments/completion.h"
#include "experiments/doctor.h"
#include "experiments/engine.h"
#include "experiments/load_engine.h"
#include "experiments/pairs.h"
#include "experiments/pipeline.h"
#include "experiments/play.h"
#include "experiments/refine.h"
#include "experiments/report.h"
#include "experiments/sandbox_cli.h"
#include "experiments/tokenize.h"
#include "experiments/verify.h"
#include "policies/model_config.h"

namespace cogent {
namespace {

struct Session {
  std::string program;
  char** argv = nullptr;
  const Parts* parts = nullptr;
};

// core/log.h reads the level at its first message; a word that it would not know is refused here.
void SetUpLog(const Command& command) {
  if (command.Has("quiet")) setenv("COGENT_LOG_LEVEL", "warn", 0);
  const char* wanted = std::getenv("COGENT_LOG_LEVEL");
  if (wanted == nullptr || *wanted == 0) return;
  const std::vector<std::string> known = {"debug", "info", "warn", "error", "off"};
  if (std::find(known.begin(), known.end(), wanted) != known.end()) return;
  const auto near = Nearest(wanted, known);
  throw ConfigError(std::string("COGENT_LOG_LEVEL='") + wanted + "' is no level." +
                    (near ? " Did you mean '" + *near + "'?" : "") + " Known: debug, info, warn, error, off");
}

int InEngine(const Session& session, const Command& command) {
  PrepareEngine(session.argv);
  std::cout.flush();
  return LoadEngine()(*session.parts, command);
}

template <typename Part>
void PrintNames(const std::string& title, const Registry<Part>& registry) {
  std::size_t width = 0;
  for (const std::string& name : registry.Names()) width = std::max(width, name.size());
  std::cout << title << "\n";
  for (const std::string& name : registry.Names()) {
    std::cout << "  " << name << std::string(width + 2 - name.size(), ' ') << registry.Summary(name) << "\n";
  }
}

int List(const Session& session, const Command& command) {
  const std::string kind = command.arguments.empty() ? "" : command.arguments[0];
  if (kind.empty() || kind == "environments") PrintNames("environments", session.parts->envs);
  if (kind.empty() || kind == "rewards") PrintNames("rewards", session.parts->rewards);
  if (kind == "algorithms") return InEngine(session, {"list algorithms", {}, {}});
  if (!kind.empty()) return kExitDone;
  try {
    return InEngine(session, {"list algorithms", {}, {}});
  } catch (const MachineError& error) {
    const std::string reason = error.what();
    std::cout << "algorithms: not known, " << reason.substr(0, reason.find('\n')) << "\n";
    return kExitDone;
  }
}

template <typename Part>
bool Explain(const Registry<Part>& registry, const std::string& name) {
  if (!registry.Has(name)) return false;
  std::cout << registry.kind() << " '" << name << "': " << registry.Summary(name) << "\n\n"
            << registry.Describe(name);
  return true;
}

bool LooksLikeFile(const std::string& name) {
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.find('/') != std::string::npos;
}

int Show(const Session& session, const Command& command) {
  const std::string& name = command.arguments[0];
  if (LooksLikeFile(name)) return InEngine(session, {"show config", command.arguments, {}});
  if (command.arguments.size() > 1) {
    throw ConfigError("'" + command.arguments[1] + "': settings go with a YAML file, and '" + name + "' is none");
  }
  const bool env = Explain(session.parts->envs, name);
  const bool reward = Explain(session.parts->rewards, name);
  if (env || reward) return kExitDone;
  try {
    return InEngine(session, {"show algorithm", {name}, {}});
  } catch (const ConfigError& error) {
    std::vector<std::string> known = session.parts->envs.Names();
    for (const std::string& reward_name : session.parts->rewards.Names()) known.push_back(reward_name);
    const auto near = Nearest(name, known);
    if (!near && std::string_view(error.what()).find("Did you mean") != std::string_view::npos) throw;  // another algorithm
    throw ConfigError("nothing is registered as '" + name + "'." + (near ? " Did you mean '" + *near + "'?" : "") + " `" + session.program +
                      " list` prints all names; a file is written with its path or its ending .yaml");
  }
}

int Ablate(const Session& session, const Command& command) {
  PrepareEngine(session.argv);
  const AlgorithmCheckEntry check = LoadAlgorithmCheck();
  return AblateCommand(*session.parts, [&](RunConfig& config, Purpose purpose, Problems& problems) { return check(*session.parts, config, purpose, problems); }, command);
}

int RunPipeline(const Session& session, const Command& command) {
  PrepareEngine(session.argv);
  const AlgorithmCheckEntry check = LoadAlgorithmCheck();
  return PipelineCommand(*session.parts, [&](RunConfig& config, Purpose purpose, Problems& problems) { return check(*session.parts, config, purpose, problems); }, command);
}

int Compare(const Session& session, const Command& command) {
  const Comparison comparison = CompareRuns(command.arguments, {.metric = command.Get("metric", "pass@1"), .against = command.Get("against")}, *session.parts);
  std::cout << ComparisonText(comparison);
  if (command.Has("html")) WriteComparisonHtml(comparison, command.Get("html"));
  if (command.Has("csv")) WriteComparisonCsv(comparison, command.Get("csv"));
  return kExitDone;
}

int Generate(const Session& session, Command command) {
  if (!command.arguments.empty()) {
    for (const char* other : {"prompt", "env"}) {
      if (command.Has(other)) throw ConfigError("generate: the prompt '" + command.arguments.front() + "' and --" + other + " exclude each other; give one of them");
    }
    command.options["prompt"] = command.arguments.front();
  }
  if (!command.Has("prompt") && !command.Has("env")) {
    if (isatty(STDIN_FILENO) != 0) {
      throw ConfigError("generate: give the prompt, or --env NAME, or write the prompt to standard input");
    }
    command.options["prompt"] = std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  return InEngine(session, command);
}

int Dispatch(const Session& session, const Command& command) {
  if (command.name == "list") return List(session, command);
  if (command.name == "show") return Show(session, command);
  if (command.name == "ablate") return Ablate(session, command);
  if (command.name == "pipeline") return RunPipeline(session, command);
  if (command.name == "refine") return RefineCommand(command);
  if (command.name == "pairs") return PairsCommand(command);
  if (command.name == "compare") return Compare(session, command);
  if (command.name == "play") return PlayCommand(*session.parts, command, std::cin, std::cout);
  if (command.name == "generate") return Generate(session, command);
  if (command.name.starts_with("verify ")) return RunVerify(*session.parts, command);
  if (command.name.starts_with("tokenizer ")) return RunTokenize(command);
  if (command.name == "report") {
    const std::string& dir = command.arguments[0];
    if (std::filesystem::is_directory(dir) && !std::filesystem::exists(dir + "/config.yaml")) {
      throw ConfigError(dir + " is no run directory: there is no config.yaml in it; give runs/NAME");
    }
    std::cout << WriteReport(dir) << "\n";
    if (command.Has("curves")) WriteFileAtomic(command.Get("curves"), CurvesSvg(dir));
    return kExitDone;
  }
  if (command.name == "model describe") {
    std::cout << DescribeModel(command.arguments[0]);
    return kExitDone;
  }
  if (command.name == "doctor") {
    const std::vector<Finding> findings = ExamineMachine();
    std::cout << FindingsText(findings);
    return AllThere(findings) ? kExitDone : kExitMachine;
  }
  if (command.name == "sandbox run") return SandboxRun(command);
  if (command.name == "sandbox doctor") return SandboxDoctor();
  if (command.name == "completion") {
    std::cout << CompletionScript(command.arguments[0], session.program);
    return kExitDone;
  }
  return InEngine(session, command);
}

int Fail(const std::string& program, const std::string& what, int code) {
  std::cout.flush();
  // Several mistakes, each with its place, stand better alone: editors can jump to them.
  const bool several = what.find('\n') != std::string::npos && code == kExitUserMistake;
  std::cerr << (several ? "" : program + ": ") << what << std::endl;
  return code;
}

// LibTorch puts a trace of its stack behind what it says. Its exceptions come from the engine; here they are known by their words.
std::string WithoutTrace(const std::string& what) {
  return what.substr(0, std::min(what.find("\nException raised from "), what.find("\nframe #0: ")));
}

int Guarded(const Session& session, Command command) {
  try {
    SetUpLog(command);
    ApplySeedVariable(command, std::getenv("COGENT_SEED"));
    const int code = Dispatch(session, command);
    std::cout.flush();
    if (!std::cout) return Fail(session.program, "standard output cannot be written; is its disk full?", kExitFailed);
    return code;
  } catch (const ConfigError& error) {
    return Fail(session.program, error.what(), kExitUserMistake);
  } catch (const DataError& error) {
    return Fail(session.program, error.what(), kExitUserMistake);
  } catch (const MachineError& error) {
    return Fail(session.program, error.what(), kExitMachine);
  } catch (const std::bad_alloc&) {
    return Fail(session.program, "'" + command.name + "' ran out of memory; a smaller batch or model needs less", kExitFailed);
  } catch (const std::exception& error) {
    return Fail(session.program, "'" + command.name + "' failed: " + WithoutTrace(error.what()), kExitFailed);
  }
}

}  // namespace

int RunCli(int argc, char** argv, Parts parts) {
  const std::string program = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "cogent";
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) words.emplace_back(argv[i]);
  const ParsedLine line = ParseCommandLine(program, words);
  if (line.command) return Guarded({program, argv, &parts}, *line.command);
  (line.exit_code == kExitDone ? std::cout : std::cerr) << line.text << std::flush;
  return line.exit_code;
}

}  // namespace cogent
