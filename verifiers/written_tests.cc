#include "verifiers/written_tests.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"

namespace cogent {
namespace {

// Reads the block as data; runs in the sandbox as every program, but nothing of the block does.
constexpr char kReader[] = R"PY(
import ast, json, sys

task = json.loads(sys.stdin.buffer.read())
entry = task["entry_point"]
NODES = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp,
         ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Subscript, ast.Slice, ast.Starred, ast.Call, ast.keyword, ast.Name,
         ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension)
BUILTINS = set("abs all any bool bytes chr complex dict divmod enumerate filter float frozenset int isinstance len list map max min ord "
               "pow range repr reversed round set slice sorted str sum tuple type zip".split())


def reason(test):
    bound = {node.id for node in ast.walk(test) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    called = False
    for node in ast.walk(test):
        if not isinstance(node, NODES):
            return "a test may not hold a " + type(node).__name__
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in BUILTINS | {entry}):
            return "a test may call %s and builtins, nothing else" % entry
        if isinstance(node, ast.Name) and node.id not in BUILTINS | bound | {entry}:
            return "a test may not use the name '%s'" % node.id
        called = called or (isinstance(node, ast.Call) and node.func.id == entry)
    if entry in bound or bound & BUILTINS:
        return "a test may not give %s or a builtin another meaning" % entry
    return "" if called else "it does not call %s" % entry


def found(body):
    for node in body:
        if isinstance(node, ast.Assert):
            yield {"test": "assert " + ast.unparse(node.test), "reason": reason(node.test)}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield from found(node.body)


try:
    print(json.dumps({"tests": list(found(ast.parse(task["code"]).body))}))
except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
    print(json.dumps({"none": "the code block is no Python: %s" % error}))
)PY";

// {"tests": [{"test", "reason"}]} or {"none": why}.
nlohmann::json ReadBlock(Sandbox& sandbox, const std::string& code, const std::string& entry_point) {
  const nlohmann::json task = {{"code", code}, {"entry_point", entry_point}};
  const std::string input = task.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  const RunResult run = sandbox.Run({.source = kReader, .input = input}, {.wall_seconds = 10, .cpu_seconds = 10, .output_bytes = 4ull << 20});
  if (run.verdict == RunVerdict::kInternalError) throw SandboxError(run.reason);
  auto json = nlohmann::json::parse(run.out, nullptr, false);
  if (run.verdict == RunVerdict::kOk && json.is_object()) return json;
  return {{"none", "the code block cannot be read: " + run.reason}};
}

JudgedResult JudgeTests(Sandbox& sandbox, const CodeProblem& problem, const std::string& source, const Limits& limits) {
  JudgedResult result = Judge(sandbox, {.source = source}, problem.functions, limits);
  if (result.candidate.verdict == RunVerdict::kInternalError) throw SandboxError(result.candidate.reason);
  return result;
}

bool Passes(const JudgedResult& result) { return result.candidate.verdict == RunVerdict::kOk && result.broken.empty(); }

// Why the reference or the empty function refuse the test; nothing when it is kept.
std::string Objection(Sandbox& sandbox, const CodeProblem& problem, const std::string& test, const Limits& limits) {
  const CodeProblem alone = WithTests(problem, {test});
  const JudgedResult right = JudgeTests(sandbox, alone, problem.reference, limits);
  if (!right.broken.empty()) return "it cannot be run: " + right.broken;
  if (!Passes(right)) return "the reference solution fails it: " + right.candidate.reason;
  const std::string nothing = "def " + problem.functions.entry_point + "(*args, **named):\n    return None\n";
  if (Passes(JudgeTests(sandbox, alone, nothing, limits))) return "a function that does nothing passes it";
  return {};
}

void CheckReference(Sandbox& sandbox, const CodeProblem& problem, const Limits& limits) {
  if (problem.by_output) throw DataError("problem '" + problem.id + "' is tested by its output; written tests are of functions");
  if (problem.reference.empty()) throw DataError("problem '" + problem.id + "' has no reference solution, which written tests are held to");
  const FunctionTests& own = problem.functions;
  if (own.text.empty() && own.statements.empty()) return;
  const JudgedResult result = JudgeTests(sandbox, problem, problem.reference, limits);
  if (!Passes(result)) throw DataError("the reference solution of problem '" + problem.id + "' fails its own tests: " + result.candidate.reason + result.broken);
}

}  // namespace

std::string AskForTests(const CodeProblem& problem) {
  return problem.prompt + "\n\nDo not solve this. Write tests for a function " + problem.functions.entry_point +
         " that solves it: one Python code block of assert statements, each of which calls " + problem.functions.entry_point +
         " and compares what it gives with the value that is right. Think of the cases that a hasty solution gets wrong.";
}

WrittenTests ReadWrittenTests(Sandbox& sandbox, const CodeProblem& problem, const std::string& completion, const Limits& limits) {
  CheckReference(sandbox, problem, limits);
  WrittenTests written;
  const auto code = ExtractCode(completion);
  if (!code) {
    written.none = "no code block";
    return written;
  }
  const nlohmann::json block = ReadBlock(sandbox, *code, problem.functions.entry_point);
  written.none = block.value("none", "");
  if (!written.none.empty()) return written;
  std::set<std::string> seen;
  for (const auto& one : block.at("tests")) {
    const std::string test = one.at("test");
    std::string reason = one.at("reason");
    if (reason.empty() && !seen.insert(test).second) reason = "it was there before";
    if (reason.empty() && seen.size() > kMostWrittenTests) reason = "there are " + std::to_string(kMostWrittenTests) + " before it";
    if (reason.empty()) reason = Objection(sandbox, problem, test, limits);
    if (reason.empty()) {
      written.kept.push_back(test);
    } else {
      written.refused.push_back({test.substr(0, 200), reason});
    }
  }
  if (written.kept.empty() && written.refused.empty()) written.none = "the code block holds no assert statement";
  return written;
}

CodeProblem WithTests(CodeProblem problem, std::vector<std::string> tests) {
  const std::string setup = problem.functions.setup;
  problem.functions = {.style = TestStyle::kStatements, .entry_point = problem.functions.entry_point, .text = {}, .statements = std::move(tests), .setup = setup};
  return problem;
}

}  // namespace cogent
