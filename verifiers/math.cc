#include "verifiers/math.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "verifiers/extract.h"
#include "verifiers/math_compare.h"
#include "verifiers/math_extract.h"
#include "verifiers/math_parser.h"
#include "verifiers/math_spans.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

// Longer answers are only compared letter by letter.
constexpr std::size_t kMaxAnswerBytes = 64 * 1024;

// C, (C), \text{C}: the letter of an option; 0 for anything else.
char OptionLetter(std::string_view text) {
  std::string letters;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\\text{") || text.substr(i).starts_with("\\mathrm{") ||
        text.substr(i).starts_with("\\textbf{") || text.substr(i).starts_with("\\mathbf{")) {
      i = text.find('{', i);
      continue;
    }
    const char c = text[i];
    if (c == '$' || c == '(' || c == ')' || c == '{' || c == '}' || c == ' ' || c == '.' ||
        c == '\\' || c == '*')
      continue;
    letters += c;
    if (letters.size() > 1) return 0;
  }
  return letters.size() == 1 && letters[0] >= 'A' && letters[0] <= 'J' ? letters[0] : '\0';
}

// The option that an answer begins with: "C. x = 42", "(C) 42", "C) 42"; 0 for others.
char LeadingOption(std::string_view text) {
  text = TrimAscii(text);
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view wrapper :
         {"\\text{", "\\mathrm{", "\\textbf{", "\\mathbf{", "$", "**", "{", "\\("}) {
      if (!text.starts_with(wrapper)) continue;
      text.remove_prefix(wrapper.size());
      again = true;
    }
  }
  for (const std::string_view word : {"Option ", "option ", "Choice ", "choice "}) {
    if (text.starts_with(word)) text.remove_prefix(word.size());
  }
  const bool bracket = text.starts_with("(");
  if (bracket) text.remove_prefix(1);
  if (text.empty() || text[0] < 'A' || text[0] > 'J') return 0;
  if (text.size() == 1) return text[0];
  const std::string_view rest = text.substr(1);
  if (rest.starts_with(")") || rest.starts_with(".") || rest.starts_with(":")) return text[0];
  return rest == "}" || rest == "}}" || rest == "$" || rest.starts_with("})") ||
                 rest.starts_with("}.")
             ? text[0]
             : '\0';
}

struct OptionWithValue {
  char option = 0;  // 0: the text is another
  std::string_view value;
};

// "(B) 5", "\\textbf{(B)}\\ 5" of contests with options: the option and what stands behind it.
OptionWithValue SplitOption(std::string_view gold) {
  std::string_view text = TrimAscii(gold);
  bool wrapped = false;
  for (const std::string_view wrapper : {"\\text{", "\\textbf{", "\\mathrm{", "\\mathbf{"}) {
    if (!text.starts_with(wrapper)) continue;
    text.remove_prefix(wrapper.size());
    wrapped = true;
    break;
  }
  if (text.size() < 4 || text[0] != '(' || text[1] < 'A' || text[1] > 'J' || text[2] != ')') return {};
  OptionWithValue split{text[1], text.substr(3)};
  if (wrapped && !split.value.starts_with("}")) return {};
  if (wrapped) split.value.remove_prefix(1);
  for (bool again = true; again;) {
    again = false;
    split.value = TrimAscii(split.value);
    for (const std::string_view space : {"\\ ", "\\,", "\\;", "\\:", "~", "\\quad", "\\qquad"}) {
      if (!split.value.starts_with(space)) continue;
      split.value.remove_prefix(space.size());
      again = true;
    }
  }
  // (A)(B), (A) + 1 and (A) \\cup (B) are expressions in A.
  const bool begins = !split.value.empty() && (split.value[0] == '$' || split.value[0] == '-' || (split.value[0] >= '0' && split.value[0] <= '9') ||
                                               split.value.starts_with("\\frac") || split.value.starts_with("\\dfrac") || split.value.starts_with("\\sqrt") ||
                                               split.value.starts_with("\\text"));
  return begins && split.value != "-" ? split : OptionWithValue{};
}

// A text that is one formula, without the signs around it.
std::string_view Bare(std::string_view text) {
  if (!text.starts_with('$') && !text.starts_with('\\')) return text;
  const std::vector<Span> formulas = FindFormulas(text);
  const bool whole = formulas.size() == 1 && formulas[0].begin == 0 && formulas[0].end == text.size();
  return whole ? TrimAscii(formulas[0].Content(text)) : text;
}

// "(A) or (B)": another option stands beside the first.
bool NamesOtherOption(std::string_view text, char option) {
  const auto is_letter = [&](std::size_t at) {
    return at < text.size() &&
           ((text[at] >= 'a' && text[at] <= 'z') || (text[at] >= 'A' && text[at] <= 'Z'));
  };
  for (std::size_t at = 1; at < text.size(); ++at) {
    const char c = text[at];
    if (c < 'A' || c > 'J' || c == option || is_letter(at - 1) || is_letter(at + 1)) continue;
    std::string_view before = text.substr(0, at);
    while (!before.empty() &&
           std::string_view(" ({$*\\").find(before.back()) != std::string_view::npos) {
      before.remove_suffix(1);
    }
    for (const std::string_view joint :
         {" or", " and", ",", "/", ")", ").", ";", "{text", "&", "."}) {
      if (before.ends_with(joint)) return true;
    }
  }
  return false;
}

MathExtraction ExtractionOf(const MathOptions& options) {
  if (options.extraction == "strict") return MathExtraction::kStrict;
  return options.extraction == "whole" ? MathExtraction::kWhole : MathExtraction::kLenient;
}

// Words beside a value: prose that the grammar could read as names.
bool HasStrayWords(const MathNode& node) {
  if (node.Is(Kind::kText)) return true;
  for (std::size_t i = 0; i < node.size(); ++i) {
    const bool name = node.Is(Kind::kRelation) && i == 0 && node[0].Is(Kind::kText);
    if (!name && HasStrayWords(node[i])) return true;
  }
  return false;
}

class Verification {
 public:
  Verification(std::string_view gold, const MathOptions& options)
      : gold_(GoldAnswer(gold)), options_(options) {
    const OptionWithValue split = SplitOption(gold_);
    option_ = split.option != 0 ? split.option : OptionLetter(gold_);
    if (split.option != 0) gold_ = GoldAnswer(std::string(split.value));
  }

  MathVerdict Judge(std::string_view prediction) {
    MathVerdict verdict;
    if (gold_.empty()) {
      verdict.reason = "there is no gold answer";
      return verdict;
    }
    const std::vector<MathAnswer> answers = FindMathAnswers(prediction, ExtractionOf(options_));
    for (const MathAnswer& answer : answers) {
      if (answer.place == MathAnswer::kNone) {
        if (verdict.reason.empty()) verdict.reason = answer.problem;
        break;
      }
      const bool last = &answer == &answers.back();
      if (Try(answer, last, verdict)) break;
    }
    if (verdict.reason.empty()) verdict.reason = "there is no answer";
    verdict.work = work_.done();
    return verdict;
  }

 private:
  // True when the answer decides; false when a later one may be tried.
  bool Try(const MathAnswer& answer, bool last, MathVerdict& verdict) {
    const bool sure = answer.place == MathAnswer::kBox || answer.place == MathAnswer::kAnswerPart;
    if (answer.text.empty()) return false;
    if (const char option = option_) {
      if (const char given = LeadingOption(answer.text)) {
        const bool only = !NamesOtherOption(answer.text, given);
        Conclude(answer, given == option && only,
                 !only             ? "several options"
                 : given == option ? "the option asked for"
                                   : "another option",
                 verdict);
        return true;
      }
    }
    if (Bare(answer.text) == Bare(gold_)) {
      Conclude(answer, true, "the same text", verdict);
      return true;
    }
    if (answer.text.size() > kMaxAnswerBytes || gold_.size() > kMaxAnswerBytes) {
      Conclude(answer, false, "too long to be read, and another text", verdict);
      return true;
    }
    ReadGold();
    MathTree tree;
    const ParseOptions options{&variables_, true};
    const ParsedMath parsed = ParseMath(answer.text, options, tree);
    const bool usable =
        parsed.math ? !HasStrayWords(*parsed.node) || sure : parsed.words && !gold_parsed_.math;
    if (!usable && !last && !(sure && options_.extraction == "strict")) return false;
    bool correct = Compare(*gold_parsed_.node, parsed, answer, tree);
    if (!correct && (parsed.ambiguous_comma || gold_parsed_.ambiguous_comma))
      correct = CompareOtherCommas(answer, parsed, tree);
    if (!correct && !parsed.math && !last && !sure) return false;
    const char* why = correct                             ? "equal"
                      : !parsed.math && gold_parsed_.math ? "not readable as mathematics"
                                                          : "not equal";
    Conclude(
        answer, correct,
        work_.Exhausted() && !correct ? "too much work to decide, and not equal by structure" : why,
        verdict);
    return true;
  }

  void Conclude(const MathAnswer& answer, bool correct, std::string_view why,
                MathVerdict& verdict) {
    verdict.correct = correct;
    verdict.extracted = answer.text.size() <= 1000 ? answer.text : OneShortLine(answer.text);
    verdict.reason =
        std::string(why) + ": " + OneShortLine(answer.text) + (correct ? " is " : " and ") + OneShortLine(gold_);
  }

  void ReadGold() {
    if (gold_parsed_.node) return;
    gold_parsed_ = ParseMath(gold_, {}, gold_tree_);
    variables_ = VariablesOf(*gold_parsed_.node);
  }

  bool Compare(const MathNode& gold, const ParsedMath& parsed, const MathAnswer& answer,
               MathTree& tree) {
    Comparer comparer(tree, options_, work_);
    const MathNode* node = parsed.node;
    if (answer.joined) node = comparer.Distinct(*node);
    return comparer.Same(gold, *node);
  }

  // (1,234) may be a pair, 3,5 a list: the other reading counts where it is a list on both sides.
  bool CompareOtherCommas(const MathAnswer& answer, const ParsedMath& parsed, MathTree& tree) {
    MathTree other_tree;
    const ParsedMath gold = gold_parsed_.ambiguous_comma
                                ? ParseMath(gold_, {nullptr, false}, other_tree)
                                : gold_parsed_;
    const ParsedMath other =
        parsed.ambiguous_comma ? ParseMath(answer.text, {&variables_, false}, tree) : parsed;
    if (!gold.math || !other.math) return false;
    const auto several = [](const MathNode& node) {
      return !IsScalar(node) && !node.Is(Kind::kRelation);
    };
    if (parsed.ambiguous_comma && several(*gold_parsed_.node) &&
        Compare(*gold_parsed_.node, other, answer, tree))
      return true;
    if (!gold_parsed_.ambiguous_comma) return false;
    if (several(*parsed.node) && Compare(*gold.node, parsed, answer, tree)) return true;
    return parsed.ambiguous_comma && Compare(*gold.node, other, answer, tree);
  }

  std::string gold_;
  char option_ = 0;  // that is asked for; 0 = no options
  const MathOptions& options_;
  Work work_;
  MathTree gold_tree_;
  ParsedMath gold_parsed_;
  LetterSet variables_;
};

class MathReward final : public Reward {
 public:
  struct Config : MathOptions {
    Config() { extraction = "strict"; }
  };
  explicit MathReward(const Config& config) : options_(config) {}
  Verdict Score(const Task& task, const Completion& completion) const override {
    MathVerdict verdict = VerifyMath(task.answer, completion.text, options_);
    return {verdict.correct ? 1.0 : 0.0, std::move(verdict.reason)};
  }

 private:
  MathOptions options_;
};

}  // namespace

void MathOptions::VisitFields(FieldVisitor& visit) {
  visit("extraction", extraction, "where the answer may stand",
        OneOf{"strict", "lenient", "whole"});
  visit("decimal_digits", decimal_digits,
        "significant digits from which on a decimal stands for the exact value it rounds; 0: never",
        {0, 1000});
  visit("units_optional", units_optional, "5 cm for 5, and 5 for 5 cm");
  visit("percent_optional", percent_optional, "50% for 50, and 50 for 50%");
  visit("names_optional", names_optional, "5 for x = 5, and x = 5 for 5");
}

MathVerdict VerifyMath(std::string_view gold, std::string_view prediction,
                       const MathOptions& options) {
  return Verification(gold, options).Judge(prediction);
}

void RegisterMathRewards(RewardRegistry& rewards) {
  rewards.Add<MathReward>("math", "pays for an answer that means what the task's answer means");
}

}  // namespace cogent
