#include "envs/benchmark_files.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "verifiers/extract.h"
#include "verifiers/rational.h"

namespace cogent {
namespace {

using Json = nlohmann::json;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// A line of JSON or a row of a table: fields by their names in small letters.
struct Record {
  std::string where;  // file and line
  std::map<std::string, Json> fields;

  const Json* Find(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const auto found = fields.find(name);
      if (found != fields.end() && !found->second.is_null()) return &found->second;
    }
    return nullptr;
  }
  [[noreturn]] void Fail(const std::string& what) const { throw DataError(where + ": " + what); }
  // Text, or a number as it is written; cut of white space. Empty where there is none and none is needed.
  std::string Text(std::initializer_list<const char*> names, bool needed = true) const {
    const Json* value = Find(names);
    if (value == nullptr) {
      if (needed) Fail("there is no '" + std::string(*names.begin()) + "'");
      return {};
    }
    if (!value->is_string() && !value->is_number()) Fail("'" + std::string(*names.begin()) + "' is neither text nor a number");
    const std::string text(TrimAscii(value->is_string() ? value->get<std::string>() : value->dump()));
    if (needed && text.empty()) Fail("'" + std::string(*names.begin()) + "' is empty");
    return text;
  }
};

std::vector<Record> ReadJsonLines(const std::string& path) {
  std::vector<Record> records;
  ForEachLineIn(path, [&](int number, std::string_view line) {
    Record record{path + ":" + std::to_string(number), {}};
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) record.Fail("this is no JSON object; a benchmark is JSON lines, or a table whose name ends in .csv");
    for (const auto& [name, value] : json.items()) record.fields[Lower(name)] = value;
    records.push_back(std::move(record));
  });
  return records;
}

struct Row {
  int line = 0;  // where it begins
  std::vector<std::string> cells;
};

std::vector<Row> ReadRows(const std::string& path) {
  std::string text = ReadTextFile(path);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  std::vector<Row> rows;
  int line = 1;
  for (std::size_t at = 0; at < text.size();) {
    Row row{line, {}};
    for (bool more = true; more;) {
      std::string cell;
      if (at < text.size() && text[at] == '"') {
        const int begin = line;
        for (++at;; ++at) {
          if (at == text.size()) throw DataError(path + ":" + std::to_string(begin) + ": a quoted cell does not end");
          if (text[at] == '"' && (at + 1 == text.size() || text[at + 1] != '"')) break;
          if (text[at] == '"') ++at;  // two stand for one
          line += text[at] == '\n';
          cell += text[at];
        }
        ++at;
        if (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r') {
          throw DataError(path + ":" + std::to_string(line) + ": something stands behind the quote that ends a cell; a quote inside is written twice");
        }
      } else {
        while (at < text.size() && text[at] != ',' && text[at] != '\n') cell += text[at++];
        if (cell.ends_with('\r')) cell.pop_back();
      }
      if (at < text.size() && text[at] == '\r') ++at;
      row.cells.push_back(std::move(cell));
      more = at < text.size() && text[at] == ',';
      if (at < text.size()) line += text[at++] == '\n';
    }
    if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Record> ReadTable(const std::string& path) {
  const std::vector<Row> rows = ReadRows(path);
  std::vector<Record> records;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    Record record{path + ":" + std::to_string(rows[i].line), {}};
    if (rows[i].cells.size() != rows[0].cells.size()) {
      record.Fail("a row of " + std::to_string(rows[i].cells.size()) + " cells below " + std::to_string(rows[0].cells.size()) + " names");
    }
    for (std::size_t c = 0; c < rows[0].cells.size(); ++c) {
      if (!rows[i].cells[c].empty()) record.fields[Lower(std::string(TrimAscii(rows[0].cells[c])))] = rows[i].cells[c];
    }
    records.push_back(std::move(record));
  }
  return records;
}

std::string Detect(const Record& record) {
  if (record.Find({"correct answer"}) != nullptr) return "gpqa";
  if (record.Find({"options", "choices"}) != nullptr) return "mmlu_pro";
  const Json* answer = record.Find({"answer"});
  if (record.Find({"question"}) != nullptr && answer != nullptr && answer->is_string() && answer->get<std::string>().find("####") != std::string::npos) return "gsm8k";
  if (record.Find({"problem", "question"}) != nullptr && answer != nullptr) return "math";
  record.Fail("these are the fields of no layout that is known: 'problem' and 'answer' (math), 'question' and 'answer' (gsm8k), 'Question' and 'Correct Answer' "
              "(gpqa), 'question' and 'options' (mmlu_pro); programs are tested by the environment 'code'");
}

BenchmarkProblem ReadMath(const Record& record) {
  return {record.Text({"problem", "question"}), record.Text({"answer"}), {}, 0, record.Text({"subject"}, false), record.Text({"level"}, false)};
}

BenchmarkProblem ReadGsm8k(const Record& record) {
  std::string answer = record.Text({"answer"});
  const std::size_t mark = answer.rfind("####");
  if (mark == std::string::npos) record.Fail("the answer has no number behind ####");
  answer.erase(0, mark + 4);
  answer.erase(std::remove(answer.begin(), answer.end(), ','), answer.end());
  const auto value = Rational::Parse(answer);
  if (!value) record.Fail("the answer has no number behind ####");
  return {record.Text({"question"}), value->ToString(), {}, 0, {}, {}};
}

BenchmarkProblem ReadGpqa(const Record& record) {
  BenchmarkProblem problem{record.Text({"question"}), {}, {}, 0, record.Text({"subdomain", "high-level domain"}, false), {}};
  problem.choices = {record.Text({"correct answer"}), record.Text({"incorrect answer 1"}), record.Text({"incorrect answer 2"}), record.Text({"incorrect answer 3"})};
  return problem;
}

BenchmarkProblem ReadMmluPro(const Record& record) {
  BenchmarkProblem problem{record.Text({"question"}), {}, {}, -1, record.Text({"category", "subject"}, false), {}};
  const Json* options = record.Find({"options", "choices"});
  if (options == nullptr || !options->is_array()) record.Fail("'options' is no list of texts");
  const Json* given = record.Find({"answer", "answer_index"});
  if (given == nullptr) record.Fail("there is no 'answer'");
  std::size_t right = options->size();
  if (given->is_number_unsigned()) right = given->get<std::size_t>();
  if (given->is_string() && given->get_ref<const std::string&>().size() == 1 && (*given).get_ref<const std::string&>()[0] >= 'A') {
    right = static_cast<std::size_t>(given->get_ref<const std::string&>()[0] - 'A');
  }
  for (std::size_t i = 0; i < options->size(); ++i) {
    if (!(*options)[i].is_string()) record.Fail("'options' is no list of texts");
    const std::string text = (*options)[i];
    if (text == "N/A" && i != right) continue;  // MMLU-Pro fills up with these
    if (i == right) problem.right = static_cast<int>(problem.choices.size());
    problem.choices.push_back(text);
  }
  if (problem.right < 0) record.Fail("the answer " + given->dump() + " is none of the " + std::to_string(options->size()) + " options; a letter from A on is wanted, or an index from 0 on");
  if (problem.choices.size() < 2 || problem.choices.size() > 10) record.Fail(std::to_string(problem.choices.size()) + " options; 2 to 10 are possible, A to J");
  return problem;
}

}  // namespace

Benchmark ReadBenchmark(const std::string& path, const std::string& layout) {
  static const std::map<std::string, BenchmarkProblem (*)(const Record&)> readers = {
      {"math", ReadMath}, {"gsm8k", ReadGsm8k}, {"gpqa", ReadGpqa}, {"mmlu_pro", ReadMmluPro}};
  const std::vector<Record> records = path.ends_with(".csv") ? ReadTable(path) : ReadJsonLines(path);
  if (records.empty()) throw DataError(path + " holds no problem");
  Benchmark benchmark{layout == "auto" ? Detect(records.front()) : layout, {}};
  const auto reader = readers.find(benchmark.layout);
  Check(reader != readers.end(), "the layout of a benchmark that nobody reads");
  for (const Record& record : records) benchmark.problems.push_back(reader->second(record));
  return benchmark;
}

}  // namespace cogent
