#include "envs/countdown.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/error.h"
#include "envs/single_turn.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

constexpr std::size_t kLongest = 1000;
constexpr int kDeepest = 50;
constexpr std::size_t kMost = 8;  // numbers of a task

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<CountdownAnswer> Run() {
    const auto value = Sum(0);
    Skip();
    if (!value || !rest_.empty()) return std::nullopt;
    answer_.value = *value;
    return answer_;
  }

 private:
  void Skip() {
    while (!rest_.empty() && (rest_[0] == ' ' || (rest_[0] >= '\t' && rest_[0] <= '\r'))) rest_.remove_prefix(1);
  }
  bool Take(std::string_view sign) {
    Skip();
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(sign.size());
    return true;
  }
  // + - * / by their plain sign, 0 where none stands here.
  char TakeOperator(bool product) {
    if (!product) return Take("+") ? '+' : Take("-") || Take("\u2212") ? '-' : 0;
    return Take("*") || Take("\u00d7") || Take("\u00b7") || Take("\\times") || Take("\\cdot") ? '*' : Take("/") || Take("\u00f7") || Take("\\div") ? '/' : 0;
  }

  std::optional<Rational> Sum(int depth) {
    auto value = Product(depth);
    while (value) {
      const char sign = TakeOperator(false);
      if (sign == 0) return value;
      const auto right = Product(depth);
      if (!right) return std::nullopt;
      value = sign == '+' ? *value + *right : *value - *right;
    }
    return std::nullopt;
  }

  std::optional<Rational> Product(int depth) {
    auto value = Atom(depth);
    while (value) {
      const char sign = TakeOperator(true);
      if (sign == 0) return value;
      const auto right = Atom(depth);
      if (!right || (sign == '/' && right->IsZero())) return std::nullopt;
      value = sign == '*' ? *value * *right : *value / *right;
    }
    return std::nullopt;
  }

  std::optional<Rational> Atom(int depth) {
    if (Take("(")) {
      if (depth == kDeepest) return std::nullopt;
      const auto value = Sum(depth + 1);
      return value && Take(")") ? value : std::nullopt;
    }
    Skip();
    std::int64_t number = 0;
    std::size_t digits = 0;
    while (digits < rest_.size() && digits < 10 && rest_[digits] >= '0' && rest_[digits] <= '9') number = number * 10 + (rest_[digits++] - '0');
    if (digits == 0 || digits == 10) return std::nullopt;
    rest_.remove_prefix(digits);
    answer_.numbers.push_back(number);
    return Rational(number);
  }

  std::string_view rest_;
  CountdownAnswer answer_;
};

// What a drawn expression is worth: over / under, not reduced. n numbers of at most 1,000 keep both within 1,000^n: six fit 64 bits.
template <typename Whole>
struct Worth {
  Whole over = 0, under = 1;  // under 0: it divides by zero

  static Worth Of(char sign, const Worth& a, const Worth& b) {
    switch (sign) {
      case '+': return {a.over * b.under + b.over * a.under, a.under * b.under};
      case '-': return {a.over * b.under - b.over * a.under, a.under * b.under};
      case '*': return {a.over * b.over, a.under * b.under};
      default: return {a.over * b.under, b.under == 0 ? 0 : a.under * b.over};
    }
  }
  std::optional<std::int64_t> WholeWithin(const IntRange& range) const {
    if (under == 0) return std::nullopt;
    const Whole whole = over / under;
    return whole * under == over && whole >= range.low && whole <= range.high ? std::optional(static_cast<std::int64_t>(whole)) : std::nullopt;
  }
};
__extension__ using Wide = __int128;

// "3, 7 and 4"
void AppendList(std::span<const std::int64_t> numbers, std::string& text) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    text += i == 0 ? "" : i + 1 == numbers.size() ? " and " : ", ";
    text += std::to_string(numbers[i]);
  }
}

class CountdownEnv final : public SingleTurnEnv {
 public:
  struct Config {
    IntRange numbers{3, 4}, values{1, 50}, target{10, 100};
    std::string operators = "+-*/";
    bool use_all = true;
    void VisitFields(FieldVisitor& visit) {
      visit("numbers", numbers, "how many are given", {2, kMost});
      visit("values", values, "size of a number", {1, 1000});
      visit("target", target, "what is to be made", {0, 1000000});
      visit("operators", operators, "of the expression that the task is drawn from: any of + - * /");
      visit("use_all", use_all, "false: numbers may be left out");
    }
    void Validate(Problems& problems, const Location& where) const {
      if (operators.empty() || operators.find_first_not_of("+-*/") != std::string::npos) problems.Add(where, "operators is '" + operators + "'; write some of + - * / together");
    }
  };
  explicit CountdownEnv(const Config& config) : config_(config) {}

  std::optional<std::string> Question(Rng rng) const override { return Prompt(DrawProblem(rng)); }

  Task MakeTask(Rng& rng) const override {
    Problem problem = DrawProblem(rng);
    std::string expression, given;
    Draw<Wide>(problem.Numbers(), problem.before_expression, &expression);
    for (const std::int64_t number : problem.Shown()) given.append(given.empty() ? "" : " ").append(std::to_string(number));
    return {.prompt = Prompt(problem), .answer = std::move(expression), .facts = {{"numbers", std::move(given)}, {"target", std::to_string(problem.target)}}};
  }

  Verdict Score(const Task& task, const Completion& completion) const override {
    const Extraction found = Extract(completion.text);
    if (!found.text) return {0.0, "no answer"};
    const std::string text = found.text->substr(0, found.text->find('='));  // "25 * 4 = 100" says what it is worth, too
    const auto answer = ReadCountdown(text);
    if (!answer) return {0.0, "the answer is no expression of numbers"};
    std::vector<std::int64_t> used = answer->numbers, given = Numbers(task.facts.at("numbers"));
    std::sort(used.begin(), used.end());
    std::sort(given.begin(), given.end());
    if (config_.use_all ? used != given : !std::includes(given.begin(), given.end(), used.begin(), used.end())) return {0.0, "it does not use the given numbers"};
    if (answer->value.ToString() != task.facts.at("target")) return {0.0, "it is worth " + answer->value.ToString() + ", not " + task.facts.at("target")};
    return {1.0, "it is worth " + task.facts.at("target")};
  }

  std::string GoldCompletion() const override { return "<think>" + task().answer + " = " + task().facts.at("target") + "</think> <answer>" + task().answer + "</answer>"; }

 private:
  struct Problem {
    std::array<std::int64_t, kMost> numbers{}, shown{};  // as the expression has them, and as the prompt does
    std::size_t count = 0;
    std::int64_t target = 0;
    Rng before_expression;  // draws it again
    std::span<const std::int64_t> Numbers() const { return {numbers.data(), count}; }
    std::span<const std::int64_t> Shown() const { return {shown.data(), count}; }
  };

  // Few expressions are worth a target, so that none is written here.
  Problem DrawProblem(Rng& rng) const {
    Problem problem;
    for (int attempt = 0; attempt < 100000; ++attempt) {
      problem.count = static_cast<std::size_t>(rng.Range(config_.numbers.low, config_.numbers.high));
      for (std::size_t i = 0; i < problem.count; ++i) problem.numbers[i] = rng.Range(config_.values.low, config_.values.high);
      problem.before_expression = rng;
      const auto numbers = problem.Numbers();
      const auto worth = numbers.size() <= 6 ? Draw<std::int64_t>(numbers, rng).WholeWithin(config_.target) : Draw<Wide>(numbers, rng).WholeWithin(config_.target);
      if (!worth) continue;
      problem.target = *worth;
      problem.shown = problem.numbers;
      // The order of the numbers says nothing about the expression.
      for (std::size_t i = problem.count; i > 1; --i) std::swap(problem.shown[i - 1], problem.shown[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(i) - 1))]);
      return problem;
    }
    throw DataError("countdown: no task in 100,000 draws; widen target or operators");
  }

  std::string Prompt(const Problem& problem) const {
    std::string prompt;
    prompt.reserve(256);
    prompt += "Using the numbers ";
    AppendList(problem.Shown(), prompt);
    prompt += ", make ";
    prompt += std::to_string(problem.target);
    prompt += config_.use_all ? ". Use each of them once" : ". Use each of them once at most";
    prompt += ", with + - * / and parentheses, and answer with the expression.";
    return prompt;
  }

  // What a random expression over two numbers and more is worth; appends it to `text` where there is one.
  template <typename Whole>
  Worth<Whole> Draw(std::span<const std::int64_t> numbers, Rng& rng, std::string* text = nullptr) const {
    const auto cut = static_cast<std::size_t>(rng.Range(1, static_cast<std::int64_t>(numbers.size()) - 1));
    const char sign = config_.operators[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(config_.operators.size()) - 1))];
    const auto side = [&](std::span<const std::int64_t> some) -> Worth<Whole> {
      if (some.size() == 1) {
        if (text) *text += std::to_string(some[0]);
        return {some[0], 1};
      }
      if (text) *text += '(';
      const Worth<Whole> worth = Draw<Whole>(some, rng, text);
      if (text) *text += ')';
      return worth;
    };
    const Worth<Whole> left = side(numbers.first(cut));
    if (text) *text += {' ', sign, ' '};
    return Worth<Whole>::Of(sign, left, side(numbers.subspan(cut)));
  }

  static std::vector<std::int64_t> Numbers(const std::string& text) {
    std::vector<std::int64_t> numbers;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(' ', at), text.size());
      numbers.push_back(std::stoll(text.substr(at, end - at)));
      at = end + 1;
    }
    return numbers;
  }

  Config config_;
};

}  // namespace

std::optional<CountdownAnswer> ReadCountdown(std::string_view text) {
  if (text.size() > kLongest) return std::nullopt;
  return Parser(text).Run();
}

void RegisterCountdown(EnvRegistry& envs) { envs.Add<CountdownEnv>("countdown", "reach a number from given ones; any expression that does it is right"); }

}  // namespace cogent
