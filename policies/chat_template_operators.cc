// The operators of chat templates, on values, and the count of work.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/error.h"
#include "policies/chat_template_operations.h"
#include "policies/tokenizer_bytes.h"

namespace cogent::chat {
namespace {

constexpr std::int64_t kMostSteps = 3'000'000;
constexpr std::size_t kMostMade = std::size_t{1} << 30;  // bytes of all texts and lists that are made or read through

}  // namespace

void Operations::Fail(const std::string& what) const { throw DataError(name_ + ": chat template, line " + std::to_string(line_) + ": " + what); }

void Operations::Step() {
  if (++steps_ > kMostSteps) Fail("it takes more than " + std::to_string(kMostSteps) + " steps");
}

void Operations::Work(std::size_t bytes) {
  made_ += bytes;
  if (made_ > kMostMade) Fail("it takes too much work: more than 1 GiB of texts and lists");
}

Value Operations::List(std::vector<Value> items, bool tuple) {
  Work(items.size() * sizeof(Value));
  return Value::List(std::move(items), tuple);
}

Value Operations::Text(std::string text) {
  Work(text.size());
  return text;
}

Value Operations::Items(const Value& value) {
  if (value.IsList()) return value;
  std::vector<Value> list;
  if (value.IsText()) {
    Work(value.Text().size() * 16);
    for (std::string& c : Characters(value.Text())) list.emplace_back(std::move(c));
  } else if (value.IsObject()) {
    for (const auto& one : value.Members()) list.emplace_back(one.first);
  } else if (!value.IsUndefined()) {
    Fail(Show(value, true).substr(0, 60) + " cannot be walked over");
  }
  return List(std::move(list));
}

Value Operations::Member(const Value& value, const std::string& key, const std::string& of) const {
  if (value.IsUndefined()) Fail("'" + (of.empty() ? "a value" : of) + "' has no value, so none of its '" + key + "' either");
  if (!value.IsObject() && !value.IsNamespace()) return {};
  const Value* found = value.Find(key);
  return found == nullptr ? Value() : *found;
}

Value Operations::At(const Value& value, const Value& index, const std::string& of) {
  if (index.IsText()) return Member(value, index.Text(), of);
  if (value.IsUndefined()) Fail("what is indexed has no value");
  if (value.IsObject()) return Member(value, Show(index), of);
  if (!index.IsWhole() && !index.IsBool()) return {};
  std::int64_t at = index.IsBool() ? index.Bool() : index.Whole();
  if (value.IsText()) {
    Work(value.Text().size());
    const std::string& text = value.Text();
    if (at < 0) at += static_cast<std::int64_t>(CountCharacters(text));
    if (at < 0) return {};
    std::string_view rest = text;
    for (; at > 0 && !rest.empty(); --at) rest.remove_prefix(ReadUtf8(rest).length);
    return rest.empty() ? Value() : Value(rest.substr(0, ReadUtf8(rest).length));
  }
  if (!value.IsList()) return {};
  const auto size = static_cast<std::int64_t>(value.Items().size());
  if (at < 0) at += size;
  return at < 0 || at >= size ? Value() : value.Items()[static_cast<std::size_t>(at)];
}

Value Operations::Slice(const Value& value, const Value& begin, const Value& end, const Value& step_of) {
  if (!value.IsList() && !value.IsText()) Fail("only texts and lists have slices");
  const Value list = Items(value);
  const std::vector<Value>& items = list.Items();
  const auto size = static_cast<std::int64_t>(items.size());
  const auto part = [&](const Value& one, std::int64_t otherwise) {
    if (one.IsUndefined() || one.IsNone()) return otherwise;
    if (!one.IsWhole()) Fail("the parts of a slice are whole numbers");
    return one.Whole();
  };
  const std::int64_t step = part(step_of, 1);
  if (step == 0) Fail("the step of a slice is 0");
  constexpr std::int64_t kNone = INT64_MIN;
  const auto place = [&](const Value& one, std::int64_t otherwise) {
    std::int64_t at = part(one, kNone);
    if (at == kNone) return otherwise;
    if (at < 0) at += size;
    return std::clamp<std::int64_t>(at, step > 0 ? 0 : -1, step > 0 ? size : size - 1);
  };
  const std::int64_t from = place(begin, step > 0 ? 0 : size - 1), to = place(end, step > 0 ? size : -1);
  std::vector<Value> kept;
  // Counted first: from + i * step may be no number any more.
  const std::int64_t count = step > 0 ? (to > from ? (to - from - 1) / step + 1 : 0) : (from > to ? (from - to - 1) / (step == INT64_MIN ? INT64_MAX : -step) + 1 : 0);
  for (std::int64_t i = 0; i < count; ++i) kept.push_back(items[static_cast<std::size_t>(from + i * step)]);
  if (value.IsList()) return List(std::move(kept), value.IsTuple());
  std::string text;
  for (const Value& item : kept) text += item.Text();
  return Text(std::move(text));
}

bool Operations::Equal(const Value& a, const Value& b) {
  std::int64_t work = 0;
  const bool same = Same(a, b, work);
  Work(static_cast<std::size_t>(work) * 64);
  return same;
}

int Operations::Order(const Value& a, const Value& b, const std::string& op) {
  const auto counts = [](const Value& one) { return one.IsNumber() || one.IsBool(); };
  Step();
  if (a.IsWhole() && b.IsWhole()) return a.Whole() < b.Whole() ? -1 : a.Whole() > b.Whole();
  if (counts(a) && counts(b)) return a.Number() < b.Number() ? -1 : a.Number() > b.Number();
  if (a.IsText() && b.IsText()) {
    Work(std::min(a.Text().size(), b.Text().size()));
    const int order = a.Text().compare(b.Text());
    return order < 0 ? -1 : order > 0;
  }
  if (a.IsList() && b.IsList() && a.IsTuple() == b.IsTuple()) {
    for (std::size_t i = 0; i < std::min(a.Items().size(), b.Items().size()); ++i) {
      if (!Equal(a.Items()[i], b.Items()[i])) return Order(a.Items()[i], b.Items()[i], op);
    }
    return a.Items().size() < b.Items().size() ? -1 : a.Items().size() > b.Items().size();
  }
  if (a.IsUndefined() || b.IsUndefined()) Fail("'" + op + "' is given a value that is not there");
  Fail("'" + op + "' cannot be done with " + Show(a, true).substr(0, 60) + " and " + Show(b, true).substr(0, 60));
}

bool Operations::Compared(const std::string& op, const Value& a, const Value& b) {
  if (op == "==" || op == "eq" || op == "equalto") return Equal(a, b);
  if (op == "!=" || op == "ne") return !Equal(a, b);
  if (op == "in") return Contains(b, a);
  if (op == "not in") return !Contains(b, a);
  if ((a.IsFloat() && std::isnan(a.Number())) || (b.IsFloat() && std::isnan(b.Number()))) return false;
  const int order = Order(a, b, op);
  if (op == "<" || op == "lt" || op == "lessthan") return order < 0;
  if (op == ">" || op == "gt" || op == "greaterthan") return order > 0;
  return op == "<=" || op == "le" ? order <= 0 : order >= 0;
}

bool Operations::Contains(const Value& where, const Value& what) {
  if (where.IsUndefined()) return false;
  if (where.IsText()) {
    if (!what.IsText()) Fail("'in' a text wants a text, found " + Show(what, true).substr(0, 60));
    Work(where.Text().size());
    return where.Text().find(what.Text()) != std::string::npos;
  }
  if (where.IsObject()) return what.IsText() && where.Find(what.Text()) != nullptr;
  if (where.IsList()) return std::any_of(where.Items().begin(), where.Items().end(), [&](const Value& item) { return Equal(item, what); });
  Fail("'in' wants a text, a list or an object, found " + Show(where, true).substr(0, 60));
}

Value Operations::Signed(const std::string& op, const Value& value) const {
  if (value.IsFloat()) return op == "-" ? -value.Number() : value.Number();
  if (value.IsWhole() || value.IsBool()) {
    const std::int64_t number = value.IsBool() ? value.Bool() : value.Whole();
    if (number != INT64_MIN) return op == "-" ? -number : number;
  }
  Fail(op + " wants a number, found " + Show(value, true).substr(0, 60));
}

Value Operations::Repeated(const Value& value, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (value.IsText()) {
    const std::string& one = value.Text();
    if (!one.empty() && count > kMostOutput / one.size()) Fail("it makes a text of more than 16 MiB");
    const std::size_t size = count * one.size();
    std::string all = size == 0 ? "" : one;
    all.reserve(size);
    while (all.size() < size) all.append(all, 0, size - all.size());
    return Text(std::move(all));
  }
  const std::vector<Value>& items = value.Items();
  if (!items.empty() && count > kMostItems / items.size()) Fail("it makes a list of more than " + std::to_string(kMostItems) + " values");
  std::vector<Value> all;
  for (std::size_t i = 0; i < count && !items.empty(); ++i) all.insert(all.end(), items.begin(), items.end());
  return List(std::move(all), value.IsTuple());
}

template <typename T>
Value Operations::Count(const std::string& op, T a, T b) const {
  if ((op == "/" || op == "//" || op == "%" || (op == "**" && b < 0)) && (op == "**" ? a : b) == 0) Fail("division by zero");
  if constexpr (std::is_integral_v<T>) {
    T result = 0;
    if (op == "+" && !__builtin_add_overflow(a, b, &result)) return result;
    if (op == "-" && !__builtin_sub_overflow(a, b, &result)) return result;
    if (op == "*" && !__builtin_mul_overflow(a, b, &result)) return result;
    if (op == "//" && b != -1) return static_cast<T>(a / b - (a % b != 0 && (a < 0) != (b < 0)));
    if (op == "//" && !__builtin_sub_overflow(T{0}, a, &result)) return result;
    if (op == "%") return b == -1 ? T{0} : static_cast<T>(a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0));
    if (op == "**" && b >= 0 && (b < 64 || (a >= -1 && a <= 1))) {
      result = 1;
      bool fits = true;
      for (T i = 0, times = b < 64 ? b : b % 2 + 2; i < times && fits; ++i) fits = !__builtin_mul_overflow(result, a, &result);
      if (fits) return result;
    }
    Fail("'" + op + "' gives a number that is too large");
  } else {
    if (op == "+") return a + b;
    if (op == "-") return a - b;
    if (op == "*") return a * b;
    if (op == "/") return a / b;
    if (op == "//") return std::floor(a / b);
    if (op == "%") return a - b * std::floor(a / b);
    return std::pow(a, b);
  }
}

Value Operations::Calculate(const std::string& op, const Value& left, const Value& right) {
  if (op == "+" && left.IsText() && right.IsText()) return Text(left.Text() + right.Text());
  if (op == "+" && left.IsList() && right.IsList() && left.IsTuple() == right.IsTuple()) {
    std::vector<Value> all = left.Items();
    all.insert(all.end(), right.Items().begin(), right.Items().end());
    return List(std::move(all), left.IsTuple());
  }
  if (op == "*" && right.IsWhole() && (left.IsText() || left.IsList())) return Repeated(left, right.Whole());
  if (op == "*" && left.IsWhole() && (right.IsText() || right.IsList())) return Repeated(right, left.Whole());
  const auto number = [&](const Value& value) -> Value {
    if (!value.IsNumber() && !value.IsBool()) {
      Fail(value.IsUndefined() ? "'" + op + "' is given a value that is not there"
                               : "'" + op + "' cannot be done with " + Show(left, true).substr(0, 60) + " and " + Show(right, true).substr(0, 60));
    }
    return value.IsBool() ? Value(static_cast<std::int64_t>(value.Bool())) : value;
  };
  const Value a = number(left), b = number(right);
  if (a.IsFloat() || b.IsFloat() || op == "/" || (op == "**" && b.Whole() < 0)) return Count(op, a.Number(), b.Number());
  return Count(op, a.Whole(), b.Whole());
}

void Operations::Put(Members& members, const std::string& key, Value value) {
  for (auto& one : members) {
    if (one.first == key) return (void)(one.second = std::move(value));
  }
  members.emplace_back(key, std::move(value));
}

}  // namespace cogent::chat
