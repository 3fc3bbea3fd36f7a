#include "envs/arithmetic.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "envs/single_turn.h"
#include "verifiers/accuracy.h"

namespace cogent {
namespace {

using Tokens = std::vector<ArithmeticToken>;

constexpr std::string_view kHole = "{expression}";

bool Is(const ArithmeticToken& token, char symbol) {
  const char* c = std::get_if<char>(&token);
  return c && *c == symbol;
}

const Rational& NumberAt(const Tokens& tokens, std::size_t at) {
  const Rational* number = at < tokens.size() ? std::get_if<Rational>(&tokens[at]) : nullptr;
  Check(number != nullptr, "an arithmetic expression lacks a number");
  return *number;
}

// Negative numbers and fractions get parentheses, so that `2 - (-3)` and `3 / (1/2)` read well.
std::string NumberText(const Rational& number) {
  std::string text = number.ToString();
  return text[0] == '-' || !number.IsWhole() ? "(" + text + ")" : text;
}

std::optional<Rational> Apply(const Rational& left, char symbol, const Rational& right) {
  switch (symbol) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      if (right.IsZero()) return std::nullopt;
      return left / right;
    default:
      Check(false, "an arithmetic expression lacks an operator");
  }
  return std::nullopt;
}

// The operator to apply next among the tokens between `begin` and `end`: the first * or /, else the
// first + or -.
std::size_t NextOperator(const Tokens& tokens, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    if (Is(tokens[i], '*') || Is(tokens[i], '/')) return i;
  }
  for (std::size_t i = begin; i < end; ++i) {
    if (Is(tokens[i], '+') || Is(tokens[i], '-')) return i;
  }
  throw InternalError("an arithmetic expression lacks an operator");
}

// What the environment asks, as ranges.
struct Difficulty {
  IntRange operands{2, 4};
  IntRange values{1, 9};
  IntRange depth{0, 1};
  std::string operators = "+-*";
};

// An expression of `count` operands, with parentheses up to `depth` deep where there is room.
Tokens DrawExpression(const Difficulty& difficulty, std::int64_t count, std::int64_t depth,
                      Rng& rng) {
  const bool group = depth > 0 && count >= 3;
  const std::int64_t inside = group ? rng.Range(2, count - 1) : 1;
  const std::int64_t items = count - inside + 1;
  const std::int64_t place = group ? rng.Range(0, items - 1) : -1;
  Tokens tokens;
  for (std::int64_t i = 0; i < items; ++i) {
    if (i > 0) {
      const auto last = static_cast<std::int64_t>(difficulty.operators.size()) - 1;
      tokens.emplace_back(difficulty.operators[static_cast<std::size_t>(rng.Range(0, last))]);
    }
    if (i != place) {
      tokens.emplace_back(Rational(rng.Range(difficulty.values.low, difficulty.values.high)));
      continue;
    }
    tokens.emplace_back('(');
    for (auto& token : DrawExpression(difficulty, inside, depth - 1, rng)) {
      tokens.push_back(std::move(token));
    }
    tokens.emplace_back(')');
  }
  return tokens;
}

class ArithmeticEnv final : public SingleTurnEnv {
 public:
  struct Config {
    Difficulty difficulty;
    std::string question = "What is {expression}?";
    bool outside = false;
    double guess = 0.3;

    void VisitFields(FieldVisitor& visit) {
      visit("operands", difficulty.operands, "numbers in an expression", {2, 16});
      visit("values", difficulty.values, "size of a number", {0, 1000000});
      visit("operators", difficulty.operators, "drawn from, evenly: any of + - * /");
      visit("depth", difficulty.depth, "parentheses inside one another, where there is room",
            {0, 8});
      visit("question", question, "the prompt; {expression} stands for the expression");
      visit("outside", outside,
            "without <answer> tags, take the last number behind the reasoning as the answer");
      visit("guess", guess, "share of corpus documents that guess, with nothing in <think>",
            {0.0, 1.0});
    }
    void Validate(Problems& problems, const Location& where) const {
      const std::string& operators = difficulty.operators;
      if (operators.empty() || operators.find_first_not_of("+-*/") != std::string::npos) {
        problems.Add(where, "operators is '" + operators +
                                "'; write some of + - * / together, as "
                                "in \"+-*\"");
      }
      if (operators.find_first_not_of('/') == std::string::npos && difficulty.values.high == 0) {
        problems.Add(where, "every problem would divide by zero; widen values or operators");
      }
      if (question.find(kHole) == std::string::npos) {
        problems.Add(where, "question lacks {expression}, as in \"What is {expression}?\"");
      }
    }
  };
  explicit ArithmeticEnv(const Config& config) : config_(config) {}

  Task MakeTask(Rng& rng) const override {
    const auto [expression, working] = Draw(rng);
    std::string prompt = config_.question;
    prompt.replace(prompt.find(kHole), kHole.size(), ExpressionText(expression));
    std::string steps;
    for (const std::string& step : working.steps) steps.append(steps.empty() ? "" : ", ").append(step);
    return {.prompt = std::move(prompt),
            .answer = working.value.ToString(),
            .facts = {{"steps", std::move(steps)}}};
  }

  Verdict Score(const Task& task, const Completion& completion) const override {
    const auto gold = Rational::Parse(task.answer);
    Check(gold.has_value(), "the gold answer of an arithmetic task is no number");
    return NumberAccuracy(completion.text, *gold, {.outside = config_.outside});
  }

  std::string GoldCompletion() const override { return Worked(task()); }

  bool HasCorpus() const override { return true; }
  Document CorpusDocument(Rng& rng) const override {
    for (int attempt = 0; attempt < 10000; ++attempt) {
      const Task task = MakeTask(rng);
      if (!InSplit(task.prompt, Split::kTrain)) continue;
      if (rng.Uniform() >= config_.guess) return {task.prompt, Worked(task)};
      const Rational guess = *Rational::Parse(task.answer) + Rational(rng.Range(-5, 5));
      return {task.prompt, "<think></think> <answer>" + guess.ToString() + "</answer>"};
    }
    throw DataError("arithmetic: no training problem in 10,000 draws; widen its ranges");
  }

 private:
  std::pair<Tokens, ArithmeticWorking> Draw(Rng& rng) const {
    const Difficulty& difficulty = config_.difficulty;
    for (int attempt = 0; attempt < 10000; ++attempt) {
      const auto count = rng.Range(difficulty.operands.low, difficulty.operands.high);
      const auto depth = rng.Range(difficulty.depth.low, difficulty.depth.high);
      Tokens tokens = DrawExpression(difficulty, count, depth, rng);
      if (auto working = WorkOut(tokens)) return {std::move(tokens), std::move(*working)};
    }
    throw DataError("arithmetic: 10,000 draws all divide by zero; widen values or operators");
  }

  static std::string Worked(const Task& task) {
    return "<think>" + task.facts.at("steps") + "</think> <answer>" + task.answer + "</answer>";
  }

  Config config_;
};

}  // namespace

std::optional<ArithmeticWorking> WorkOut(std::vector<ArithmeticToken> tokens) {
  ArithmeticWorking working;
  while (tokens.size() > 1) {
    // Between the first `)` and the `(` before it no other parentheses stand.
    std::size_t end = 0;
    while (end < tokens.size() && !Is(tokens[end], ')')) ++end;
    std::size_t begin = end;
    while (begin > 0 && !Is(tokens[begin - 1], '(')) --begin;
    const bool inside = end < tokens.size();
    Check(inside == (begin > 0), "an arithmetic expression has unequal parentheses");

    const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(begin);
    if (inside && end - begin == 1) {
      const Rational number = NumberAt(tokens, begin);
      *(first - 1) = number;
      tokens.erase(first, first + 2);
      continue;
    }
    const std::size_t at = NextOperator(tokens, begin, end);
    Check(at > begin && at + 1 < end, "an arithmetic expression lacks a number");
    const Rational& left = NumberAt(tokens, at - 1);
    const Rational& right = NumberAt(tokens, at + 1);
    const char symbol = std::get<char>(tokens[at]);
    auto result = Apply(left, symbol, right);
    if (!result) return std::nullopt;
    std::string& step = working.steps.emplace_back(NumberText(left));
    step += {' ', symbol, ' '};
    step.append(NumberText(right)).append(" = ").append(result->ToString());
    const auto place = tokens.begin() + static_cast<std::ptrdiff_t>(at);
    *(place - 1) = std::move(*result);
    tokens.erase(place, place + 2);
  }
  working.value = NumberAt(tokens, 0);
  return working;
}

std::string ExpressionText(const std::vector<ArithmeticToken>& tokens) {
  std::string text;
  bool tight = true;  // no space before the next token
  for (const ArithmeticToken& token : tokens) {
    if (!tight && !Is(token, ')')) text += ' ';
    if (const auto* number = std::get_if<Rational>(&token)) {
      text += NumberText(*number);
    } else {
      text += std::get<char>(token);
    }
    tight = Is(token, '(');
  }
  return text;
}

void RegisterArithmetic(EnvRegistry& envs) {
  envs.Add<ArithmeticEnv>("arithmetic", "expressions with operator precedence, answered exactly");
}

}  // namespace cogent
