// The tree run: scopes, statements and expressions, and what functions, methods, filters and tests give.
#include "policies/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <unordered_map>

#include "core/error.h"
#include "policies/chat_template_impl.h"
#include "policies/chat_template_value.h"
#include "policies/tokenizer_bytes.h"

namespace cogent {
namespace chat {
namespace {

constexpr std::int64_t kMostSteps = 3'000'000;
constexpr std::size_t kMostMade = std::size_t{1} << 30;  // bytes of all texts and lists that are made or read through
constexpr std::size_t kSlow = 4;  // a byte that is looked up in Unicode's tables counts as so many
constexpr int kDeepestCall = 100;
constexpr int kDeepestRun = 600;  // expressions and blocks in one another, macros counted through

using Arguments = std::vector<Value>;  // by the places of the parameters; undefined: not given
using Scope = std::unordered_map<std::string, Value>;

struct Stopped {};  // break
struct Skipped {};  // continue

Value ToValue(const Literal& literal) {
  return std::visit([](const auto& one) -> Value {
    if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::monostate>) return {};
    else return Value(one);
  }, literal);
}

// What Python's float() reads; nothing where it reads nothing.
std::optional<double> ReadFloat(const std::string& given) {
  std::string text = Stripped(given, nullptr, true, true);
  std::erase(text, '_');
  if (text.starts_with('+')) text.erase(0, 1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end != text.data() + text.size() || error != std::errc()) return std::nullopt;
  return number;
}

std::optional<Value> ReadWhole(const std::string& given) {
  std::string text = Stripped(given, nullptr, true, true);
  std::erase(text, '_');
  if (text.starts_with('+')) text.erase(0, 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end != text.data() + text.size() || error != std::errc()) return std::nullopt;
  return number;
}

bool IsAlwaysThere(const std::string& name) { return name == "raise_exception" || name == "namespace" || name == "range" || name == "dict" || name == "strftime_now"; }

}  // namespace

// One rendering.
class Renderer {
 public:
  Renderer(const std::string& name, const Value& variables) : name_(name), scopes_(1) {
    for (const auto& [key, value] : variables.Members()) scopes_[0][key] = value;
  }

  std::string Run(const std::vector<Statement>& statements) {
    try {
      std::string out;
      Body(statements, out);
      return out;
    } catch (const Refusal& refusal) {
      Fail(refusal.what);
    }
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw DataError(name_ + ": chat template, line " + std::to_string(line_) + ": " + what); }
  void Step(int line) {
    line_ = line;
    Step();
  }
  void Step() {
    if (++steps_ > kMostSteps) Fail("it takes more than " + std::to_string(kMostSteps) + " steps");
  }
  // Bytes that are made or read through.
  void Work(std::size_t bytes) {
    made_ += bytes;
    if (made_ > kMostMade) Fail("it takes too much work: more than 1 GiB of texts and lists");
  }
  Value List(std::vector<Value> items, bool tuple = false) {
    Work(items.size() * sizeof(Value));
    return Value::List(std::move(items), tuple);
  }
  Value Text(std::string text) {
    Work(text.size());
    return text;
  }

  // Counts how deep expressions and blocks are in one another.
  class Deeper {
   public:
    explicit Deeper(Renderer& renderer) : renderer_(renderer) {
      if (++renderer_.deep_ > kDeepestRun) renderer_.Fail("blocks, expressions and macros are nested too deep");
    }
    ~Deeper() { --renderer_.deep_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Renderer& renderer_;
  };

  // ---- names ----------------------------------------------------------------------------------------

  const Value* FindVariable(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const auto found = scope->find(name); found != scope->end()) return &found->second;
    }
    return nullptr;
  }

  Value Named(const std::string& name) const {
    if (const Value* found = FindVariable(name)) return *found;
    // Without a date, a template falls back to its own.
    if (!IsAlwaysThere(name) || (name == "strftime_now" && !scopes_[0].contains("now"))) return {};
    return Function{name};
  }

  void Assign(const std::string& target, Value value) {
    const std::size_t dot = target.find('.');
    if (dot == std::string::npos) return (void)(scopes_.back()[target] = std::move(value));
    const Value* object = FindVariable(target.substr(0, dot));
    if (object == nullptr || !object->IsNamespace()) Fail("'" + target.substr(0, dot) + "' is no namespace");
    object->Set(target.substr(dot + 1), std::move(value));
  }
  void AssignAll(const std::vector<std::string>& targets, const Value& value) {
    if (targets.size() == 1) return Assign(targets[0], value);
    const Value items = Items(value);
    if (items.Items().size() != targets.size()) Fail(fmt::format("{} values are wanted to be set", targets.size()));
    for (std::size_t i = 0; i < targets.size(); ++i) Assign(targets[i], items.Items()[i]);
  }

  // ---- statements -----------------------------------------------------------------------------------

  void Body(const std::vector<Statement>& statements, std::string& out) {
    const Deeper deeper(*this);
    for (const Statement& s : statements) {
      Step(s.line);
      if (out.size() > kMostOutput) Fail("it writes more than 16 MiB");
      switch (s.kind) {
        case Statement::kText: out += s.text; break;
        case Statement::kOutput: Write(Eval(s.exprs[0]), out); break;
        case Statement::kIf: If(s, out); break;
        case Statement::kFor: For(s, out); break;
        case Statement::kSet: AssignAll(s.names, Eval(s.exprs[0])); break;
        case Statement::kSetBlock: {
          std::string text;
          Scoped(s, text);
          AssignAll(s.names, Text(std::move(text)));
          break;
        }
        case Statement::kScope: Scoped(s, out); break;
        case Statement::kMacro: scopes_.back()[s.text] = Function{s.text, &s, scopes_.size()}; break;
        case Statement::kBreak: throw Stopped{};
        case Statement::kContinue: throw Skipped{};
      }
    }
  }

  void Scoped(const Statement& s, std::string& out) {
    scopes_.emplace_back();
    Body(s.bodies[0], out);
    scopes_.pop_back();
  }

  void Write(const Value& value, std::string& out) {
    if (value.IsFunction()) Fail("'" + value.Callee().name + "' is a function; call it to print what it gives");
    const std::size_t before = out.size();
    if (value.IsText()) out += value.Text();
    else out += Show(value);
    Work((out.size() - before) * (value.IsText() ? 1 : kSlow));
    if (out.size() > kMostOutput) Fail("it writes more than 16 MiB");
  }

  void If(const Statement& s, std::string& out) {
    for (std::size_t i = 0; i < s.bodies.size(); ++i) {
      if (i < s.exprs.size() && !Truth(Eval(s.exprs[i]))) continue;
      return Body(s.bodies[i], out);
    }
  }

  // What a loop walks over, as a list.
  Value Items(const Value& value) {
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

  void For(const Statement& s, std::string& out) {
    Value list = Items(Eval(s.exprs[0]));
    if (s.exprs.size() > 1) {
      std::vector<Value> kept;
      for (const Value& item : list.Items()) {
        Step(s.line);
        scopes_.emplace_back();
        AssignAll(s.names, item);
        if (Truth(Eval(s.exprs[1]))) kept.push_back(item);
        scopes_.pop_back();
      }
      list = List(std::move(kept));
    }
    const std::vector<Value>& items = list.Items();
    if (items.empty()) {
      if (s.bodies.size() > 1) Body(s.bodies[1], out);
      return;
    }
    const std::size_t count = items.size(), depth = scopes_.size();
    ++loops_;
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
      std::vector<std::pair<std::string, Value>> loop = {{"index", number(i + 1)}, {"index0", number(i)}, {"revindex", number(count - i)}, {"revindex0", number(count - i - 1)},
                                                         {"first", i == 0}, {"last", i + 1 == count}, {"length", number(count)}, {"depth", loops_}, {"depth0", loops_ - 1}};
      if (i > 0) loop.emplace_back("previtem", items[i - 1]);
      if (i + 1 < count) loop.emplace_back("nextitem", items[i + 1]);
      scopes_.emplace_back();
      scopes_.back()["loop"] = Value::Object(std::move(loop));
      AssignAll(s.names, items[i]);
      try {
        Body(s.bodies[0], out);
      } catch (const Skipped&) {
      } catch (const Stopped&) {
        scopes_.resize(depth);
        break;
      }
      scopes_.resize(depth);
    }
    --loops_;
  }

  // ---- expressions ----------------------------------------------------------------------------------

  Value Eval(const Expr& e) {
    const Deeper deeper(*this);
    Step(e.line > 0 ? e.line : line_);
    switch (e.kind) {
      case Expr::kLiteral: return ToValue(e.value);
      case Expr::kName: return Named(e.text);
      case Expr::kAttribute: return Attribute(e);
      case Expr::kIndex: return Index(e);
      case Expr::kSlice: return Slice(e);
      case Expr::kCall: return Call(e);
      case Expr::kFilter: return FilterOf(e);
      case Expr::kTest: return Holds(e.text, Eval(e.kids[0]), Given(e, 1));
      case Expr::kUnary: return Unary(e);
      case Expr::kBinary: return Binary(e);
      case Expr::kCompare: return Compare(e);
      case Expr::kInlineIf: return Truth(Eval(e.kids[1])) ? Eval(e.kids[0]) : Eval(e.kids[2]);
      case Expr::kList: return List(Given(e, 0), e.text == "tuple");
      case Expr::kObject: {
        std::vector<std::pair<std::string, Value>> members;
        for (std::size_t i = 0; i < e.kids.size(); i += 2) Put(members, Show(Eval(e.kids[i])), Eval(e.kids[i + 1]));
        return Value::Object(std::move(members));
      }
    }
    return {};
  }

  static void Put(std::vector<std::pair<std::string, Value>>& members, const std::string& key, Value value) {
    for (auto& one : members) {
      if (one.first == key) return (void)(one.second = std::move(value));
    }
    members.emplace_back(key, std::move(value));
  }

  Arguments Given(const Expr& e, std::size_t from) {
    Arguments all;
    for (std::size_t i = from; i < e.kids.size(); ++i) all.push_back(Eval(e.kids[i]));
    return all;
  }

  Value Attribute(const Expr& e) {
    const Value value = Eval(e.kids[0]);
    // In Python the method stands before the key of that name.
    if (value.IsObject() && (e.text == "items" || e.text == "keys" || e.text == "values" || e.text == "get")) return Function{e.text};
    return Member(value, e.text, e.kids[0].text);
  }

  Value Member(const Value& value, const std::string& key, const std::string& of) const {
    if (value.IsUndefined()) Fail("'" + (of.empty() ? "a value" : of) + "' has no value, so none of its '" + key + "' either");
    if (!value.IsObject() && !value.IsNamespace()) return {};
    const Value* found = value.Find(key);
    return found == nullptr ? Value() : *found;
  }

  // value[index] for an index that is no slice.
  Value At(const Value& value, const Value& index, const std::string& of) {
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

  Value Index(const Expr& e) {
    const Value value = Eval(e.kids[0]);
    return At(value, Eval(e.kids[1]), e.kids[0].text);
  }

  Value Slice(const Expr& e) {
    const Value value = Eval(e.kids[0]);
    if (!value.IsList() && !value.IsText()) Fail("only texts and lists have slices");
    const Value list = Items(value);
    const std::vector<Value>& items = list.Items();
    const auto size = static_cast<std::int64_t>(items.size());
    const auto part = [&](std::size_t i, std::int64_t otherwise) {
      const Value one = Eval(e.kids[i]);
      if (one.IsUndefined() || one.IsNone()) return otherwise;
      if (!one.IsWhole()) Fail("the parts of a slice are whole numbers");
      return one.Whole();
    };
    const std::int64_t step = part(3, 1);
    if (step == 0) Fail("the step of a slice is 0");
    constexpr std::int64_t kNone = INT64_MIN;
    const auto place = [&](std::size_t i, std::int64_t otherwise) {
      std::int64_t at = part(i, kNone);
      if (at == kNone) return otherwise;
      if (at < 0) at += size;
      return std::clamp<std::int64_t>(at, step > 0 ? 0 : -1, step > 0 ? size : size - 1);
    };
    const std::int64_t begin = place(1, step > 0 ? 0 : size - 1), end = place(2, step > 0 ? size : -1);
    std::vector<Value> kept;
    // Counted first: at + step may be no number any more.
    const std::int64_t count = step > 0 ? (end > begin ? (end - begin - 1) / step + 1 : 0) : (begin > end ? (begin - end - 1) / (step == INT64_MIN ? INT64_MAX : -step) + 1 : 0);
    for (std::int64_t i = 0; i < count; ++i) kept.push_back(items[static_cast<std::size_t>(begin + i * step)]);
    if (value.IsList()) return List(std::move(kept), value.IsTuple());
    std::string text;
    for (const Value& item : kept) text += item.Text();
    return Text(std::move(text));
  }

  Value Unary(const Expr& e) {
    const Value value = Eval(e.kids[0]);
    if (e.text == "not") return !Truth(value);
    if (value.IsFloat()) return e.text == "-" ? -value.Number() : value.Number();
    if (value.IsWhole() || value.IsBool()) {
      const std::int64_t number = value.IsBool() ? value.Bool() : value.Whole();
      if (number != INT64_MIN) return e.text == "-" ? -number : number;
    }
    Fail(e.text + " wants a number, found " + Show(value, true).substr(0, 60));
  }

  bool Equal(const Value& a, const Value& b) {
    std::int64_t work = 0;
    const bool same = Same(a, b, work);
    Work(static_cast<std::size_t>(work) * 64);
    return same;
  }

  // -1, 0 or 1, of values that have an order.
  int Order(const Value& a, const Value& b, const std::string& op) {
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

  bool Compared(const std::string& op, const Value& a, const Value& b) {
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

  Value Compare(const Expr& e) {
    Value left = Eval(e.kids[0]);
    for (std::size_t i = 0; i < e.names.size(); ++i) {
      Value right = Eval(e.kids[i + 1]);
      if (!Compared(e.names[i], left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  Value Binary(const Expr& e) {
    const std::string& op = e.text;
    const Value left = Eval(e.kids[0]);
    if (op == "and") return Truth(left) ? Eval(e.kids[1]) : left;
    if (op == "or") return Truth(left) ? left : Eval(e.kids[1]);
    const Value right = Eval(e.kids[1]);
    if (op == "~") {
      std::string text = Show(left) + Show(right);
      if (!left.IsText() || !right.IsText()) Work(text.size() * kSlow);
      return Text(std::move(text));
    }
    return Calculate(op, left, right);
  }

  Value Calculate(const std::string& op, const Value& left, const Value& right) {
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

  Value Repeated(const Value& value, std::int64_t times) {
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
    if (value.IsText()) {
      const std::string& one = value.Text();
      if (!one.empty() && count > kMostOutput / one.size()) Fail("it makes a text of more than 16 MiB");
      std::string all;
      for (std::size_t i = 0; i < count && !one.empty(); ++i) all += one;
      return Text(std::move(all));
    }
    const std::vector<Value>& items = value.Items();
    if (!items.empty() && count > kMostItems / items.size()) Fail("it makes a list of more than " + std::to_string(kMostItems) + " values");
    std::vector<Value> all;
    for (std::size_t i = 0; i < count && !items.empty(); ++i) all.insert(all.end(), items.begin(), items.end());
    return List(std::move(all), value.IsTuple());
  }

  template <typename T>
  Value Count(const std::string& op, T a, T b) const {
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

  bool Contains(const Value& where, const Value& what) {
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

  // ---- calls ----------------------------------------------------------------------------------------

  Value Call(const Expr& e) {
    const Expr& callee = e.kids[0];
    if (callee.kind == Expr::kAttribute) {
      const Value self = Eval(callee.kids[0]);
      if (const Value* own = self.IsNamespace() ? self.Find(callee.text) : nullptr; own != nullptr && own->IsFunction() && own->Callee().macro != nullptr) {
        return Macro(own->Callee(), e);
      }
      if (!e.named.empty()) Fail("." + callee.text + "() takes no argument '" + e.names[0] + "'");
      return Method(self, callee.text, Given(e, 1));
    }
    const Value function = Eval(callee);
    if (!function.IsFunction()) {
      if (callee.kind != Expr::kName) Fail("only functions, macros and methods can be called");
      Fail(callee.text == "strftime_now" ? "strftime_now wants the variable `now`, the date" : "the function '" + callee.text + "' is not known");
    }
    if (function.Callee().macro != nullptr) return Macro(function.Callee(), e);
    const std::string& name = function.Callee().name;
    const Arguments arguments = Given(e, 1);
    if (name == "namespace" || name == "dict") return Made(name, arguments, e);
    if (!e.named.empty()) Fail(name + " takes no argument '" + e.names[0] + "'");
    if (name == "range") return Range(arguments);
    if (arguments.size() != 1) Fail(name + " takes one argument");
    if (name == "raise_exception") throw DataError(name_ + ": the chat template says: " + Show(arguments[0]));
    if (name == "strftime_now") return Date(Show(arguments[0]));
    Fail("'" + name + "' is called as a method: value." + name + "()");
  }

  Value Made(const std::string& name, const Arguments& arguments, const Expr& e) {
    std::vector<std::pair<std::string, Value>> members;
    if (arguments.size() > 1) Fail(name + " takes one object, and values by name");
    if (!arguments.empty() && (arguments[0].IsObject() || arguments[0].IsNamespace())) {
      members = arguments[0].Members();
    } else if (!arguments.empty()) {
      const Value pairs = Items(arguments[0]);
      for (const Value& pair : pairs.Items()) {
        if (!pair.IsList() || pair.Items().size() != 2) Fail(name + " wants an object or a list of pairs");
        Put(members, Show(pair.Items()[0]), pair.Items()[1]);
      }
    }
    for (std::size_t i = 0; i < e.named.size(); ++i) Put(members, e.names[i], Eval(e.named[i]));
    Work(members.size() * 64);
    for (const auto& one : members) {
      if (name == "namespace" && one.second.HoldsNamespace()) Fail("a namespace cannot be put into a namespace");
    }
    return Value::Object(std::move(members), name == "namespace");
  }

  // `now` is a text that stands there as it is, or seconds since 1970, which get the format.
  Value Date(const std::string& format) {
    const Value now = scopes_[0]["now"];
    if (now.IsText()) return now;
    if (!now.IsWhole()) Fail("the variable `now` is a text, or a whole number of seconds since 1970");
    const auto seconds = static_cast<std::time_t>(now.Whole());
    std::tm parts{};
    if (gmtime_r(&seconds, &parts) == nullptr || format.size() > 1000) Fail("strftime_now cannot write that date");
    std::string text(20000, '\0');
    text.resize(std::strftime(text.data(), text.size(), (format + ".").c_str(), &parts));  // never empty, so that 0 means too long
    if (text.empty()) Fail("strftime_now cannot write that date");
    text.pop_back();
    return Text(std::move(text));
  }

  Value Range(const Arguments& arguments) {
    std::vector<std::int64_t> numbers;
    for (const Value& one : arguments) {
      if (!one.IsWhole()) Fail("range wants whole numbers");
      numbers.push_back(one.Whole());
    }
    if (numbers.empty() || numbers.size() > 3) Fail("range wants one to three numbers");
    const std::int64_t begin = numbers.size() > 1 ? numbers[0] : 0, end = numbers.size() > 1 ? numbers[1] : numbers[0], step = numbers.size() > 2 ? numbers[2] : 1;
    if (step == 0) Fail("the step of a range is 0");
    std::vector<Value> list;
    for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
      Step();
      if (list.size() >= kMostItems) Fail("it takes too many steps: a range of more than " + std::to_string(kMostItems) + " numbers");
      list.emplace_back(i);
      if (__builtin_add_overflow(i, step, &i)) break;
    }
    return List(std::move(list));
  }

  Value Macro(const Function& function, const Expr& call) {
    const Statement& macro = *function.macro;
    if (++calls_ > kDeepestCall) Fail("macros call one another too deep");
    Arguments arguments = Given(call, 1);
    if (arguments.size() > macro.names.size()) Fail("macro '" + macro.text + "' takes " + std::to_string(macro.names.size()) + " arguments");
    Scope scope;
    for (std::size_t i = 0; i < arguments.size(); ++i) scope[macro.names[i]] = std::move(arguments[i]);
    for (std::size_t i = 0; i < call.named.size(); ++i) {
      if (std::find(macro.names.begin(), macro.names.end(), call.names[i]) == macro.names.end()) Fail("macro '" + macro.text + "' takes no argument '" + call.names[i] + "'");
      if (scope.contains(call.names[i])) Fail("macro '" + macro.text + "' is given '" + call.names[i] + "' twice");
      scope[call.names[i]] = Eval(call.named[i]);
    }
    // A macro sees what stands around it, and its arguments.
    const std::size_t seen = std::min(function.scopes, scopes_.size());
    const auto around = static_cast<std::ptrdiff_t>(seen);
    std::vector<Scope> outside(std::make_move_iterator(scopes_.begin() + around), std::make_move_iterator(scopes_.end()));
    scopes_.resize(seen);
    scopes_.push_back(std::move(scope));
    const std::size_t without = macro.names.size() - macro.defaults.size();
    for (std::size_t i = 0; i < macro.names.size(); ++i) {
      if (scopes_.back().contains(macro.names[i])) continue;
      Value value = i >= without ? Eval(macro.defaults[i - without]) : Value();
      scopes_.back()[macro.names[i]] = std::move(value);
    }
    std::string out;
    Body(macro.bodies[0], out);
    scopes_.resize(seen);
    scopes_.insert(scopes_.end(), std::make_move_iterator(outside.begin()), std::make_move_iterator(outside.end()));
    --calls_;
    return Text(std::move(out));
  }

  // ---- methods --------------------------------------------------------------------------------------

  static const Value& Nth(const Arguments& arguments, std::size_t i) {
    static const Value none;
    return i < arguments.size() ? arguments[i] : none;
  }
  static bool Absent(const Value& value) { return value.IsUndefined() || value.IsNone(); }
  const std::string& TextOf(const Value& value, const std::string& name) const {
    if (!value.IsText()) Fail(name + " wants a text");
    return value.Text();
  }
  std::int64_t WholeOr(const Value& value, std::int64_t otherwise, const std::string& name) const {
    if (Absent(value)) return otherwise;
    if (value.IsBool()) return value.Bool();
    if (!value.IsWhole()) Fail(name + " wants a whole number");
    return value.Whole();
  }
  Value Texts(std::vector<std::string> texts) {
    std::vector<Value> list;
    for (std::string& one : texts) {
      Step();
      list.emplace_back(std::move(one));
    }
    return List(std::move(list));
  }

  Value Method(const Value& self, const std::string& name, const Arguments& arguments) {
    const std::string called = "." + name + "()";
    if (self.IsUndefined()) Fail(called + " of a value that is not there");
    if (FindMethod(name) != nullptr || name == "cycle") {
      if (self.IsText()) {
        Work(self.Text().size() * (name == "upper" || name == "lower" || name == "capitalize" || name == "title" ? kSlow : 1));
        if (std::optional<Value> value = TextMethod(self.Text(), name, called, arguments)) return *std::move(value);
      } else if (self.IsObject()) {
        if (std::optional<Value> value = ObjectMethod(self, name, arguments)) return *std::move(value);
      } else if (self.IsList() && (name == "index" || name == "count")) {
        std::int64_t count = 0;
        for (std::size_t i = 0; i < self.Items().size(); ++i) {
          if (!Equal(self.Items()[i], Nth(arguments, 0))) continue;
          if (name == "index") return static_cast<std::int64_t>(i);
          ++count;
        }
        if (name == "index") Fail(called + ": " + Show(Nth(arguments, 0), true).substr(0, 60) + " is not in the list");
        return count;
      }
    }
    Fail(called + " of " + Show(self, true).substr(0, 60) + " is not known");
  }

  std::optional<Value> TextMethod(const std::string& own, const std::string& name, const std::string& called, const Arguments& arguments) {
    const Value& first = Nth(arguments, 0);
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
      const std::string* set = Absent(first) ? nullptr : &TextOf(first, called);
      if (set != nullptr) Work(set->size() * kSlow * kSlow);
      return Text(Stripped(own, set, name != "rstrip", name != "lstrip"));
    }
    if (name == "startswith" || name == "endswith") {
      const Value part = Part(own, arguments, called);
      const auto fits = [&](const Value& mark) {
        const std::string& text = TextOf(mark, called);
        return part.IsText() && (name == "startswith" ? part.Text().starts_with(text) : part.Text().ends_with(text));
      };
      return first.IsTuple() ? std::any_of(first.Items().begin(), first.Items().end(), fits) : fits(first);
    }
    if (name == "upper") return Text(Upper(own));
    if (name == "lower") return Text(Lower(own));
    if (name == "title") return Text(TitleMethod(own));
    if (name == "capitalize") return Text(Capitalized(own));
    if (name == "replace") return Text(Replaced(own, TextOf(first, called), TextOf(Nth(arguments, 1), called), WholeOr(Nth(arguments, 2), -1, called)));
    if (name == "split" || name == "rsplit") {
      const std::string* mark = Absent(first) ? nullptr : &TextOf(first, called);
      if (mark != nullptr && mark->empty()) Fail(called + " wants a text that is not empty");
      return Texts(SplitText(own, mark, WholeOr(Nth(arguments, 1), -1, called), name == "rsplit"));
    }
    if (name == "splitlines") return Texts(SplitLines(own, Truth(first)));
    if (name == "join") {
      const Value items = Items(first);
      for (const Value& item : items.Items()) TextOf(item, called);
      return Joined(items.Items(), own);
    }
    if (name == "find" || name == "rfind" || name == "index") {
      const std::string& mark = TextOf(first, called);
      if (!Absent(Nth(arguments, 1)) || !Absent(Nth(arguments, 2))) Fail(called + " is read with one argument only");
      const std::size_t found = name == "rfind" ? own.rfind(mark) : own.find(mark);
      if (found != std::string::npos) return static_cast<std::int64_t>(CountCharacters(std::string_view(own).substr(0, found)));
      if (name == "index") Fail(called + ": " + ReprText(mark) + " is not in the text");
      return -1;
    }
    if (name == "count") {
      const std::string& mark = TextOf(first, called);
      if (mark.empty()) return static_cast<std::int64_t>(CountCharacters(own) + 1);
      std::int64_t count = 0;
      for (std::size_t at = 0; (at = own.find(mark, at)) != std::string::npos; at += mark.size()) ++count;
      return count;
    }
    if (name == "isdigit") return !own.empty() && std::all_of(own.begin(), own.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (name == "removeprefix" || name == "removesuffix") {
      const std::string& mark = TextOf(first, called);
      if (name == "removeprefix") return Text(own.starts_with(mark) ? own.substr(mark.size()) : own);
      return Text(own.ends_with(mark) ? own.substr(0, own.size() - mark.size()) : own);
    }
    return std::nullopt;
  }

  // Of a text from `start` to `end`, in characters; no text where start lies behind it.
  Value Part(const std::string& own, const Arguments& arguments, const std::string& called) {
    if (Absent(Nth(arguments, 1)) && Absent(Nth(arguments, 2))) return own;
    const auto size = static_cast<std::int64_t>(CountCharacters(own));
    const auto place = [&](std::size_t i, std::int64_t otherwise) {
      const std::int64_t at = WholeOr(Nth(arguments, i), otherwise, called);
      return at < 0 ? std::max<std::int64_t>(at + size, 0) : at;
    };
    const std::int64_t begin = place(1, 0), end = std::min(place(2, size), size);
    if (begin > end) return {};
    const std::vector<std::string> all = Characters(own);
    std::string part;
    for (std::int64_t i = begin; i < end; ++i) part += all[static_cast<std::size_t>(i)];
    return part;
  }

  std::optional<Value> ObjectMethod(const Value& self, const std::string& name, const Arguments& arguments) {
    if (name == "get") {
      const Value& key = Nth(arguments, 0);
      const Value* found = self.Find(Show(key));
      return found != nullptr ? *found : arguments.size() > 1 ? arguments[1] : Value(nullptr);
    }
    if (name == "items" || name == "keys" || name == "values") {
      std::vector<Value> list;
      for (const auto& [key, value] : self.Members()) {
        if (name == "items") list.push_back(List({key, value}, true));
        else list.push_back(name == "keys" ? Value(key) : value);
      }
      return List(std::move(list));
    }
    if (name == "cycle" && self.Find("index0") != nullptr && !arguments.empty()) return arguments[static_cast<std::size_t>(self.Find("index0")->Whole()) % arguments.size()];
    return std::nullopt;
  }

  // ---- filters --------------------------------------------------------------------------------------

  Value FilterOf(const Expr& e) {
    const Value value = Eval(e.kids[0]);
    const Arguments arguments = Given(e, 1);
    const std::string& name = e.text;
    if (name == "map" || name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr") return Each(name, value, arguments);
    return Filter(name, value, arguments);
  }

  Value Joined(const std::vector<Value>& items, const std::string& mark) {
    std::string out;
    bool first = true;
    for (const Value& item : items) {
      Step();
      if (!std::exchange(first, false)) out += mark;
      out += Show(item);
      if (out.size() > kMostOutput) Fail("it makes a text of more than 16 MiB");
    }
    return Text(std::move(out));
  }

  // "a.b.0", or a number.
  Value AttributeOf(const Value& item, const Value& path, const Value& otherwise) {
    if (path.IsWhole()) return OrElse(At(item, path, ""), otherwise);
    Value value = item;
    for (const std::string& part : SplitText(TextOf(path, "an attribute"), &kDot, -1, false)) {
      const std::optional<Value> number = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }) ? ReadWhole(part) : std::nullopt;
      value = OrElse(number && !value.IsObject() ? At(value, *number, "") : Member(value, part, ""), otherwise);
    }
    return value;
  }
  static Value OrElse(Value value, const Value& otherwise) { return value.IsUndefined() && !Absent(otherwise) ? otherwise : value; }

  // map, select, reject, selectattr, rejectattr; the arguments are those that BindFilter leaves.
  Value Each(const std::string& name, const Value& value, const Arguments& arguments) {
    const Value items = Items(value);
    const bool attributes = name == "selectattr" || name == "rejectattr";
    const std::size_t at = attributes ? 1 : 0;  // the name of the test or filter
    const Arguments inner(arguments.begin() + static_cast<std::ptrdiff_t>(std::min(at + 1, arguments.size())), arguments.end());
    std::vector<Value> list;
    for (const Value& item : items.Items()) {
      Step();
      if (name == "map") {
        list.push_back(Nth(arguments, 0).IsText() ? Filter(arguments[0].Text(), item, inner) : AttributeOf(item, Nth(arguments, 1), Nth(arguments, 2)));
        continue;
      }
      const Value own = attributes ? AttributeOf(item, arguments[0], {}) : item;
      const bool holds = arguments.size() <= at ? Truth(own) : Holds(arguments[at].Text(), own, inner);
      if (holds == name.starts_with("select")) list.push_back(item);
    }
    return List(std::move(list));
  }

  // What sort, unique, min and max compare: of a text, its small letters.
  Value Key(const Value& item, const Value& attribute, bool case_sensitive) {
    const Value own = Absent(attribute) ? item : AttributeOf(item, attribute, {});
    return own.IsText() && !case_sensitive ? Text(Lower(own.Text())) : own;
  }

  Value Sorted(const Value& value, const Value& attribute, bool case_sensitive, bool reverse) {
    const Value list = Items(value);
    if (attribute.IsText() && attribute.Text().find(',') != std::string::npos) Fail("sort is read with one attribute only");
    std::vector<std::pair<Value, Value>> keyed;
    for (const Value& item : list.Items()) keyed.emplace_back(Key(item, attribute, case_sensitive), item);
    std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) { return reverse ? Order(b.first, a.first, "<") < 0 : Order(a.first, b.first, "<") < 0; });
    std::vector<Value> sorted;
    for (auto& one : keyed) sorted.push_back(std::move(one.second));
    return List(std::move(sorted));
  }

  Value Json(const Value& value, const Arguments& arguments) {
    JsonStyle style{.ensure_ascii = Truth(Nth(arguments, 0)), .sort_keys = Truth(Nth(arguments, 3))};
    const Value &indent = Nth(arguments, 1), &separators = Nth(arguments, 2);
    if (!Absent(indent)) {
      style.lines = true;
      style.indent = indent.IsText() ? indent.Text() : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(WholeOr(indent, 0, "tojson"), 0, 64)), ' ');
      style.comma = ",";
    }
    if (!Absent(separators)) {
      if (!separators.IsList() || separators.Items().size() != 2) Fail("the separators of tojson are two texts");
      style.comma = TextOf(separators.Items()[0], "tojson"), style.colon = TextOf(separators.Items()[1], "tojson");
    }
    std::string text = ToJson(value, style);
    Work(text.size() * kSlow);
    return Text(std::move(text));
  }

  Value Indented(const std::string& text, const Arguments& arguments) {
    const Value& width = Nth(arguments, 0);
    const std::string indent = width.IsText() ? width.Text() : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(WholeOr(width, 4, "indent"), 0, 1000)), ' ');
    std::string out;
    bool first = true;
    for (const std::string& line : SplitLines(text + "\n", false)) {
      const bool begins = std::exchange(first, false);
      if (!begins) out += '\n';
      if (begins ? Truth(Nth(arguments, 1)) : !line.empty() || Truth(Nth(arguments, 2))) out += indent;
      out += line;
      if (out.size() > kMostOutput) Fail("it makes a text of more than 16 MiB");
    }
    return Text(std::move(out));
  }

  Value Filter(const std::string& name, const Value& value, const Arguments& arguments) {
    const Value& first = Nth(arguments, 0);
    if (value.IsText()) Work(value.Text().size() * (name == "upper" || name == "lower" || name == "capitalize" || name == "title" ? kSlow : 1));
    if (name == "default" || name == "d") return value.IsUndefined() || (Truth(Nth(arguments, 1)) && !Truth(value)) ? (arguments.empty() ? Value("") : first) : value;
    if (name == "tojson") return Json(value, arguments);
    if (name == "safe") return value;
    if (name == "string") {
      if (value.IsText()) return value;
      std::string text = Show(value);
      Work(text.size() * kSlow);
      return Text(std::move(text));
    }
    if (name == "trim") return Text(Stripped(Show(value), Absent(first) ? nullptr : &TextOf(first, "trim"), true, true));
    if (name == "upper") return Text(Upper(Show(value)));
    if (name == "lower") return Text(Lower(Show(value)));
    if (name == "capitalize") return Text(Capitalized(Show(value)));
    if (name == "title") return Text(TitleFilter(Show(value)));
    if (name == "replace") return Text(Replaced(Show(value), Show(first), Show(Nth(arguments, 1)), WholeOr(Nth(arguments, 2), -1, "replace")));
    if (name == "indent") return Indented(Show(value), arguments);
    if (name == "int" || name == "float" || name == "abs" || name == "round") return Numeric(name, value, arguments);
    if (name == "length" || name == "count") {
      if (value.IsText()) return static_cast<std::int64_t>(CountCharacters(value.Text()));
      if (value.IsObject()) return static_cast<std::int64_t>(value.Members().size());
      return static_cast<std::int64_t>(Items(value).Items().size());
    }
    if (name == "items") {
      if (value.IsUndefined()) return List({});
      if (!value.IsObject()) Fail("items wants an object, found " + Show(value, true).substr(0, 60));
      return *ObjectMethod(value, "items", {});
    }
    if (name == "dictsort") {
      if (!value.IsObject()) Fail("dictsort wants an object, found " + Show(value, true).substr(0, 60));
      const std::string by = Absent(Nth(arguments, 1)) ? "key" : TextOf(Nth(arguments, 1), "dictsort");
      if (by != "key" && by != "value") Fail("dictsort sorts by 'key' or 'value'");
      return Sorted(*ObjectMethod(value, "items", {}), by == "key" ? 0 : 1, Truth(first), Truth(Nth(arguments, 2)));
    }
    if (name == "reverse" && value.IsText()) {
      std::vector<std::string> all = Characters(value.Text());
      std::reverse(all.begin(), all.end());
      std::string out;
      for (const std::string& one : all) out += one;
      return Text(std::move(out));
    }
    if (name == "sort") return Sorted(value, Nth(arguments, 2), Truth(Nth(arguments, 1)), Truth(first));
    const Value list = Items(value);
    const std::vector<Value>& items = list.Items();
    if (name == "list") return value.IsTuple() ? List(items) : list;
    if (name == "first") return items.empty() ? Value() : items.front();
    if (name == "last") return items.empty() ? Value() : items.back();
    if (name == "reverse") return List({items.rbegin(), items.rend()});
    if (name == "join") {
      std::vector<Value> own = items;
      if (!Absent(Nth(arguments, 1))) {
        for (Value& item : own) item = AttributeOf(item, arguments[1], {});
      }
      return Joined(own, Absent(first) ? "" : Show(first));
    }
    if (name == "unique") {
      std::vector<Value> kept, keys;
      for (const Value& item : items) {
        Value key = Key(item, Nth(arguments, 1), Truth(first));
        if (std::any_of(keys.begin(), keys.end(), [&](const Value& one) { return Step(), Equal(one, key); })) continue;
        keys.push_back(std::move(key));
        kept.push_back(item);
      }
      return List(std::move(kept));
    }
    if (name == "sum") {
      Value sum = Absent(Nth(arguments, 1)) ? Value(0) : arguments[1];
      for (const Value& item : items) sum = Calculate("+", sum, Absent(first) ? item : AttributeOf(item, first, {}));
      return sum;
    }
    Value best;  // min, max
    for (const Value& item : items) {
      if (best.IsUndefined()) best = item;
      const int order = Order(Key(item, Nth(arguments, 1), Truth(first)), Key(best, Nth(arguments, 1), Truth(first)), "<");
      if (name == "min" ? order < 0 : order > 0) best = item;
    }
    return best;
  }

  Value Numeric(const std::string& name, const Value& value, const Arguments& arguments) {
    const Value& first = Nth(arguments, 0);
    if (name == "float") {
      if (value.IsNumber() || value.IsBool()) return value.Number();
      const std::optional<double> number = value.IsText() ? ReadFloat(value.Text()) : std::nullopt;
      return number ? Value(*number) : first.IsUndefined() ? Value(0.0) : first;
    }
    if (name == "int") {
      const Value otherwise = first.IsUndefined() ? Value(0) : first;
      if (value.IsBool()) return static_cast<std::int64_t>(value.Bool());
      if (value.IsWhole() || value.IsBig()) return value;
      if (value.IsText()) {
        if (const std::optional<Value> whole = ReadWhole(value.Text())) return *whole;
      }
      const std::optional<double> number = value.IsFloat() ? std::optional(value.Number()) : value.IsText() ? ReadFloat(value.Text()) : std::nullopt;
      if (!number || !std::isfinite(*number)) return otherwise;
      if (std::abs(*number) >= 9.2e18) Fail("int gives a number that is too large");
      return static_cast<std::int64_t>(*number);
    }
    if (!value.IsNumber() && !value.IsBool()) Fail(name + " wants a number, found " + Show(value, true).substr(0, 60));
    const std::int64_t precision = name == "round" ? WholeOr(first, 0, "round") : 0;
    if (name == "abs") {
      if (value.IsFloat()) return std::abs(value.Number());
      const std::int64_t number = value.IsBool() ? value.Bool() : value.Whole();
      if (number == INT64_MIN) Fail("abs gives a number that is too large");
      return number < 0 ? -number : number;
    }
    if (value.IsWhole() && precision >= 0) return value;
    if (precision < 0 || precision > 300) Fail("round wants a precision from 0 to 300");
    return *ReadFloat(fmt::format("{:.{}f}", value.Number(), precision));
  }

  // ---- tests ----------------------------------------------------------------------------------------

  bool Holds(const std::string& name, const Value& value, const Arguments& arguments) {
    if (name == "defined") return !value.IsUndefined();
    if (name == "undefined") return value.IsUndefined();
    if (name == "none") return value.IsNone();
    if (name == "string") return value.IsText();
    if (name == "mapping") return value.IsObject();
    // What is not there is an empty list to Jinja.
    if (name == "sequence" || name == "iterable") return value.IsUndefined() || value.IsList() || value.IsText() || value.IsObject();
    if (name == "number") return value.IsNumber() || value.IsBool();
    if (name == "integer") return value.IsWhole() || value.IsBig();
    if (name == "float") return value.IsFloat() && !value.IsBig();
    if (name == "boolean") return value.IsBool();
    if (name == "true") return value.IsBool() && value.Bool();
    if (name == "false") return value.IsBool() && !value.Bool();
    if (name == "callable") return value.IsFunction();
    if (name == "odd" || name == "even") {
      if (!value.IsWhole()) Fail("the test '" + name + "' wants a whole number, found " + Show(value, true).substr(0, 60));
      return (value.Whole() % 2 != 0) == (name == "odd");
    }
    if (name == "lower" || name == "upper") {
      const std::string text = Show(value);
      Work(text.size());
      return (name == "lower" ? Lower(text) : Upper(text)) == text && Lower(text) != Upper(text);
    }
    const Value& other = Nth(arguments, 0);
    if (name == "divisibleby") {
      const Value rest = Calculate("%", value, other);
      return rest.Number() == 0;
    }
    if (name == "sameas") {
      if (value.IsList() || value.IsObject() || value.IsNamespace()) return value.SameBody(other);
      return value.IsBool() == other.IsBool() && value.IsFloat() == other.IsFloat() && Equal(value, other);
    }
    return Compared(name, value, other);
  }

  static inline const std::string kDot = ".";

  const std::string& name_;
  std::vector<Scope> scopes_;
  std::int64_t steps_ = 0;
  std::size_t made_ = 0;
  int calls_ = 0, loops_ = 0, deep_ = 0;
  int line_ = 1;
};

}  // namespace chat

struct ChatTemplate::Impl {
  std::string name;
  std::vector<chat::Statement> statements;
};

ChatTemplate::ChatTemplate(std::string_view text, const std::string& name)
    : impl_(std::make_unique<const Impl>(Impl{name, chat::ParseTemplate(IsUtf8(text) ? std::string(text) : RepairUtf8(text), name)})) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::Render(std::string_view variables) const {
  try {
    const chat::Value values = chat::FromJson(variables);
    if (!values.IsObject()) throw DataError(impl_->name + ": the variables of a chat template are a JSON object");
    return chat::Renderer(impl_->name, values).Run(impl_->statements);
  } catch (const nlohmann::json::exception&) {
    throw DataError(impl_->name + ": the variables of a chat template are a JSON object");
  } catch (const chat::Refusal& refusal) {
    throw DataError(impl_->name + ": chat template: " + refusal.what);
  } catch (const std::bad_alloc&) {
    throw DataError(impl_->name + ": chat template: there is not enough memory for what it makes");
  } catch (const chat::Stopped&) {
    throw DataError(impl_->name + ": chat template: break outside of a loop");
  } catch (const chat::Skipped&) {
    throw DataError(impl_->name + ": chat template: continue outside of a loop");
  }
}

}  // namespace cogent
