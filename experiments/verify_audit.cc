#include "experiments/verify_audit.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <optional>

#include "core/error.h"
#include "experiments/text.h"
#include "experiments/verify_lines.h"

namespace cogent {
namespace {

constexpr std::size_t kShownBytes = 240;  // of a completion in the report

// A line as rewards are asked about it.
struct Stored {
  std::int64_t number = 0;
  LineValue id;
  Task task;
  Completion completion;
  std::optional<double> accuracy;
  std::optional<double> fields[2];  // where a side is field:PATH
};

// ---- a side -------------------------------------------------------------------------------------

struct Side {
  std::string text;                 // as the user wrote it
  std::optional<std::string> path;  // field:PATH
  Rubric rubric;

  // One verdict for each, in order.
  std::vector<Verdict> Ask(const std::vector<Stored>& lines, int place) const {
    std::vector<Verdict> verdicts;
    if (path) {
      for (const Stored& line : lines) verdicts.push_back({*line.fields[place], "stored"});
      return verdicts;
    }
    std::vector<Answered> answered;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      answered.push_back(
          {&lines[i].task, &lines[i].completion, static_cast<int>(i), lines[i].accuracy});
    }
    for (const auto& scores : rubric.ScoreAll(answered))
      verdicts.push_back({scores[0].score, scores[0].reason, scores[0].broken});
    return verdicts;
  }
};

struct Choices {
  std::vector<Choice> rewards;
  void VisitFields(FieldVisitor& visit) { visit("rewards", rewards, "the side"); }
};

Side ReadSide(const std::string& text, const RewardRegistry& registry) {
  constexpr std::string_view kField = "field:";
  Side side{text, std::nullopt, {}};
  if (text.starts_with(kField)) {
    side.path = text.substr(kField.size());
    if (side.path->empty())
      throw ConfigError("'field:' needs the name of a field behind it, as field:rewards.format");
    return side;
  }
  Problems problems;
  Node root = Node::Map(), list = Node::List();
  list.items.push_back(ParseYaml(text, "'" + text + "'"));
  root.Set("rewards", std::move(list));
  const Choices choices = ReadConfig<Choices>(root, problems);
  problems.ThrowIfAny();
  if (choices.rewards[0].name == "accuracy") {
    throw ConfigError(
        "'accuracy' is the environment's own verdict and cannot be asked for here; "
        "field:rewards.accuracy is what a run stored");
  }
  side.rubric = Rubric::Make(choices.rewards, registry, problems);
  problems.ThrowIfAny();
  return side;
}

// ---- lines --------------------------------------------------------------------------------------

std::optional<std::string> FirstOf(const LineObject& line,
                                   std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    if (auto text = line.FindText(field)) return text;
  }
  return std::nullopt;
}

Stored Store(const LineObject& line, std::int64_t number, const Side (&sides)[2]) {
  Stored stored{number, IdOrNumber(line, number), {}, {}, line.FindNumber("rewards.accuracy"), {}};
  auto text = FirstOf(line, {"completion", "prediction", "text"});
  if (!text)
    throw DataError("'completion' is missing (or 'prediction', or 'text'); a text is wanted");
  stored.completion.text = *std::move(text);
  stored.completion.tokens =
      static_cast<int>(std::clamp(line.FindNumber("length").value_or(0.0), 0.0, 1e9));
  stored.completion.truncated = line.FindText("status") == "truncated";
  stored.task.prompt = FirstOf(line, {"task", "prompt"}).value_or("");
  stored.task.answer = FirstOf(line, {"answer", "gold"}).value_or("");
  if (auto target = line.FindText("target")) stored.task.facts["language"] = *std::move(target);
  for (int place = 0; place < 2; ++place) {
    if (!sides[place].path) continue;
    stored.fields[place] = line.FindNumber(*sides[place].path);
    if (!stored.fields[place])
      throw DataError("'" + *sides[place].path + "' is missing; a number, true or false is wanted");
  }
  return stored;
}

// ---- the report ---------------------------------------------------------------------------------

struct PairTally {
  std::int64_t same = 0, a_higher = 0, b_higher = 0;
  double sum_a = 0.0, sum_b = 0.0;
  std::int64_t compared() const { return same + a_higher + b_higher; }
  // True when they disagree.
  bool Count(double a, double b, double tolerance) {
    sum_a += a;
    sum_b += b;
    const bool apart = std::abs(a - b) > tolerance;
    ++(!apart ? same : a > b ? a_higher : b_higher);
    return apart;
  }
  void Add(const PairTally& other) {
    same += other.same;
    a_higher += other.a_higher;
    b_higher += other.b_higher;
    sum_a += other.sum_a;
    sum_b += other.sum_b;
  }
};

// One line of text, not too long, whatever the completion holds.
std::string Shown(const std::string& text) {
  std::string shown = ToValidUtf8(text.substr(0, kShownBytes));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) c = ' ';
  }
  return shown + (text.size() > kShownBytes ? " .." : "");
}

std::string ShownId(const Stored& line) {
  const auto* text = std::get_if<std::string>(&line.id);
  return text ? "line " + std::to_string(line.number) + ", id " + Shown(*text)
              : "line " + std::to_string(line.number);
}

std::string Score(double score) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", score);
  return text;
}

std::string TallyRow(const char* name, std::int64_t count, std::int64_t of) {
  char text[80];
  std::snprintf(text, sizeof text, "  %-10s %12s  %5.1f%%\n", name, WithCommas(count).c_str(),
                of > 0 ? 100.0 * static_cast<double>(count) / static_cast<double>(of) : 0.0);
  return text;
}

std::string ReportOf(const Side (&sides)[2], const PairTally& tally,
                     const std::vector<std::string>& shown) {
  const std::int64_t compared = tally.compared(), apart = tally.a_higher + tally.b_higher;
  const double n = std::max<double>(1.0, static_cast<double>(compared));
  std::string text =
      "A: " + sides[0].text + "  (mean " + Score(tally.sum_a / n) + ")\nB: " + sides[1].text +
      "  (mean " + Score(tally.sum_b / n) + ")\n\n" + WithCommas(compared) +
      " completions compared\n" + TallyRow("the same", tally.same, compared) +
      TallyRow("A higher", tally.a_higher, compared) + TallyRow("B higher", tally.b_higher, compared);
  if (shown.empty()) return text;
  text += "\nWhere they disagree (" + WithCommas(static_cast<std::int64_t>(shown.size())) + " of " +
          WithCommas(apart) + ")\n";
  for (const std::string& one : shown) text += one;
  return text;
}

std::string Disagreement(const Stored& line, const Verdict& a, const Verdict& b) {
  return ShownId(line) + ": A " + Score(a.score) + " (" + Shown(a.reason) + "), B " +
         Score(b.score) + " (" + Shown(b.reason) + ")\n    " + Shown(line.completion.text) + "\n";
}

double ReadNumber(const std::string& text) {  // checked with the command line
  double value = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Audit {
 public:
  Audit(const Parts& parts, const Command& command)
      : sides_{ReadSide(command.arguments.at(0), parts.rewards),
               ReadSide(command.arguments.at(1), parts.rewards)},
        tolerance_(ReadNumber(command.Get("tolerance", "1e-9"))),
        show_(static_cast<std::size_t>(ReadNumber(command.Get("show", "20")))) {}

  // What a chunk comes to; its tally and its disagreements are added to the audit's when its turn
  // comes.
  LineOutcome Compare(const LineChunk& chunk) {
    LineOutcome outcome;
    std::vector<Stored> lines;
    ForEachLine(chunk, outcome, [&](const LineObject& line, std::int64_t number) {
      lines.push_back(Store(line, number, sides_));
    });
    outcome.out.clear();  // the output holds disagreements alone
    const auto a = sides_[0].Ask(lines, 0), b = sides_[1].Ask(lines, 1);
    PairTally tally;
    std::vector<std::string> apart;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (a[i].broken || b[i].broken) {
        FailLine(outcome, lines[i].number, lines[i].id, a[i].broken ? a[i].reason : b[i].reason);
      } else if (tally.Count(a[i].score, b[i].score, tolerance_)) {
        outcome.out += ToJsonLine({{"id", lines[i].id},
                                   {"line", lines[i].number},
                                   {"a", a[i].score},
                                   {"b", b[i].score},
                                   {"reason_a", a[i].reason},
                                   {"reason_b", b[i].reason},
                                   {"completion", lines[i].completion.text}}) +
                       "\n";
        if (apart.size() < show_) apart.push_back(Disagreement(lines[i], a[i], b[i]));
      }
    }
    outcome.in_order = [this, tally, apart] {
      total_.Add(tally);
      for (std::size_t i = 0; i < apart.size() && shown_.size() < show_; ++i)
        shown_.push_back(apart[i]);
    };
    return outcome;
  }

  std::string Report() const { return ReportOf(sides_, total_, shown_); }

 private:
  const Side sides_[2];
  const double tolerance_;
  const std::size_t show_;
  PairTally total_;  // these two by in_order alone
  std::vector<std::string> shown_;
};

}  // namespace

int RunAudit(const Parts& parts, const Command& command) {
  if (command.Get("output") == "-")
    throw ConfigError("--output -: the report goes to standard output; give a file for the lines");
  if (command.arguments.size() != 2)
    throw ConfigError("a side is empty; write a reward or field:PATH");
  Audit audit(parts, command);
  const int code = RunLines(command, command.Get("output"), 32,
                            [&](const LineChunk& chunk) { return audit.Compare(chunk); });
  std::cout << audit.Report();
  return code;
}

}  // namespace cogent
