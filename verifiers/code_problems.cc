// Reading problems: three layouts in, one struct out.
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "verifiers/code.h"

namespace cogent {
namespace {

using Json = nlohmann::json;

[[noreturn]] void Fail(const std::string& where, const std::string& what) { throw DataError(where + ": " + what); }

// The text of the first of `names` that is there.
std::string Text(const Json& json, const std::vector<const char*>& names, const std::string& where, bool needed = true) {
  for (const char* name : names) {
    const auto found = json.find(name);
    if (found == json.end() || found->is_null()) continue;
    if (!found->is_string()) Fail(where, std::string("'") + name + "' is no text");
    return found->get<std::string>();
  }
  if (needed) Fail(where, std::string("there is no '") + names[0] + "'");
  return {};
}

std::vector<std::string> Texts(const Json& json, const char* name, const std::string& where) {
  std::vector<std::string> texts;
  if (!json.contains(name) || json[name].is_null()) return texts;
  if (!json[name].is_array()) Fail(where, std::string("'") + name + "' is no list of texts");
  for (const Json& one : json[name]) {
    if (!one.is_string()) Fail(where, std::string("'") + name + "' is no list of texts");
    texts.push_back(one);
  }
  return texts;
}

// The function that a test calls: `assert NAME(`, parentheses and `not` aside.
std::string CalledFunction(const std::string& test, const std::string& where) {
  std::size_t at = test.find("assert");
  at = at == std::string::npos ? 0 : at + 6;
  while (at < test.size()) {
    while (at < test.size() && (test[at] == ' ' || test[at] == '(')) ++at;
    std::size_t end = at;
    while (end < test.size() && (std::isalnum(static_cast<unsigned char>(test[end])) || test[end] == '_')) ++end;
    const std::string word = test.substr(at, end - at);
    if (word.empty()) break;
    const bool wraps = word == "not" || word == "set" || word == "sorted" || word == "list" || word == "tuple" || word == "round" ||
                       word == "abs" || word == "len" || word == "str" || word == "int" || word == "float";
    if (!wraps && end < test.size() && test[end] == '(') return word;
    if (!wraps) break;
    at = end;
  }
  Fail(where, "no function is called in the test '" + test.substr(0, 80) + "'; name it with 'entry_point'");
}

void ReadHumanEval(const Json& json, CodeProblem& problem, const std::string& where) {
  problem.functions.style = TestStyle::kAsserts;
  problem.functions.entry_point = Text(json, {"entry_point"}, where);
  problem.functions.text = Text(json, {"test"}, where);
  if (problem.functions.text.find("unittest.TestCase") != std::string::npos) problem.functions.style = TestStyle::kUnittest;
  // The prompt is the beginning of a program and may define helpers that the tests use; an empty body ends it.
  const bool begins_program = problem.prompt.find("def " + problem.functions.entry_point + "(") != std::string::npos;
  if (begins_program) problem.functions.setup = problem.prompt + "    pass\n";
  const std::string solution = Text(json, {"canonical_solution"}, where, false);
  if (!solution.empty()) problem.reference = problem.prompt + solution;
}

void ReadMbpp(const Json& json, CodeProblem& problem, const std::string& where) {
  problem.functions.style = TestStyle::kStatements;
  problem.functions.statements = Texts(json, "test_list", where);
  for (const std::string& line : Texts(json, "test_imports", where)) problem.functions.setup += line + "\n";
  problem.functions.setup += Text(json, {"test_setup_code"}, where, false);
  if (problem.functions.statements.empty()) Fail(where, "'test_list' is empty");
  problem.functions.entry_point = Text(json, {"entry_point"}, where, false);
  if (problem.functions.entry_point.empty()) problem.functions.entry_point = CalledFunction(problem.functions.statements[0], where);
  problem.reference = Text(json, {"code", "canonical_solution"}, where, false);
}

void ReadContest(const Json& json, CodeProblem& problem, const std::string& where) {
  problem.by_output = true;
  if (!json["tests"].is_array() || json["tests"].empty()) Fail(where, "'tests' is no list with tests in it");
  for (const Json& test : json["tests"]) {
    if (!test.is_object()) Fail(where, "a test is an object with 'stdin' and 'expected'");
    problem.outputs.cases.push_back({Text(test, {"stdin", "input"}, where), Text(test, {"expected", "output"}, where)});
  }
  const std::string rule = Text(json, {"compare"}, where, false);
  const std::vector<std::string> known = {"exact", "lines", "tokens", "float"};
  const auto found = std::find(known.begin(), known.end(), rule.empty() ? "tokens" : rule);
  if (found == known.end()) Fail(where, "'compare' is '" + rule + "'. Known: exact, lines, tokens, float");
  problem.outputs.rule.kind = static_cast<CompareKind>(found - known.begin());
  if (json.contains("tolerance")) {
    if (!json["tolerance"].is_number()) Fail(where, "'tolerance' is no number");
    problem.outputs.rule.tolerance = json["tolerance"];
  }
  problem.reference = Text(json, {"canonical_solution", "code", "solution"}, where, false);
}

}  // namespace

CodeProblem ReadCodeProblem(const std::string& text, const std::string& where) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) Fail(where, "this is no JSON object");
  CodeProblem problem;
  problem.prompt = Text(json, {"prompt", "text", "question"}, where);
  for (const char* name : {"task_id", "id"}) {
    if (problem.id.empty() && json.contains(name)) problem.id = json[name].is_string() ? json[name].get<std::string>() : json[name].dump();
  }
  if (json.contains("test_list")) {
    ReadMbpp(json, problem, where);
  } else if (json.contains("test")) {
    ReadHumanEval(json, problem, where);
  } else if (json.contains("tests")) {
    ReadContest(json, problem, where);
  } else {
    Fail(where, "no tests: 'test' (as HumanEval), 'test_list' (as MBPP) or 'tests' (stdin and expected) is wanted");
  }
  return problem;
}

std::vector<CodeProblem> LoadCodeProblems(const std::string& path) {
  std::vector<CodeProblem> problems;
  ForEachLineIn(path, [&](int number, std::string_view line) { problems.push_back(ReadCodeProblem(std::string(line), path + ":" + std::to_string(number))); });
  if (problems.empty()) throw DataError(path + " holds no problem");
  return problems;
}

}  // namespace cogent
