// The tree run: scopes, Python's rules for texts, numbers and lists.
#include "policies/chat_template.h"

#include <fmt/format.h>
#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>

#include "core/error.h"
#include "policies/chat_template_impl.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_normalize.h"

namespace cogent {
namespace chat {
namespace {

constexpr std::int64_t kMostSteps = 300'000;
constexpr std::size_t kMostOutput = 16u << 20;
constexpr int kDeepestCall = 100;

using Json = nlohmann::ordered_json;  // a discarded value is Jinja's undefined

const Json kUndefined(Json::value_t::discarded);

Json ToValue(const Literal& literal) {
  return std::visit([](const auto& one) -> Json {
    if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::monostate>) return kUndefined;
    else return Json(one);
  }, literal);
}

struct Stopped {};    // break
struct Skipped {};    // continue

std::string Quoted(const std::string& text) {
  const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '\r') out += "\\r";
    else if (c == '\\' || c == quote) (out += '\\') += c;
    else out += c;
  }
  return out + quote;
}

std::string Show(const Json& value, bool inside = false) {
  if (value.is_discarded()) return "";
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_string()) return inside ? Quoted(value.get<std::string>()) : value.get<std::string>();
  if (value.is_number_float()) {
    const double number = value.get<double>();
    const std::string text = fmt::format("{}", number);
    return std::isfinite(number) && text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }
  if (value.is_array()) {
    std::string out = "[";
    for (const Json& item : value) out += (out.size() > 1 ? ", " : "") + Show(item, true);
    return out + "]";
  }
  if (value.is_object()) {
    std::string out = "{";
    for (const auto& [key, item] : value.items()) out += (out.size() > 1 ? ", " : "") + Quoted(key) + ": " + Show(item, true);
    return out + "}";
  }
  return value.dump();
}

// json.dumps of Python: a space behind comma and colon, nothing escaped that need not be.
std::string ToJson(const Json& value, int indent, int depth = 0) {
  const std::string line = indent >= 0 ? "\n" + std::string(static_cast<std::size_t>(indent) * (depth + 1), ' ') : "";
  const std::string end = indent >= 0 ? "\n" + std::string(static_cast<std::size_t>(indent) * depth, ' ') : "";
  const std::string comma = indent >= 0 ? "," : ", ";
  if ((value.is_array() || value.is_object()) && value.empty()) return value.is_array() ? "[]" : "{}";
  if (value.is_array()) {
    std::string out = "[";
    for (std::size_t i = 0; i < value.size(); ++i) out += (i > 0 ? comma : "") + line + ToJson(value[i], indent, depth + 1);
    return out + end + "]";
  }
  if (value.is_object()) {
    std::string out = "{";
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      out += (first ? "" : comma) + line + Json(key).dump(-1, ' ', false) + ": " + ToJson(item, indent, depth + 1);
      first = false;
    }
    return out + end + "}";
  }
  if (value.is_number_float()) return Show(value);
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool Truth(const Json& value) {
  if (value.is_discarded() || value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

// The characters of a text, each as a text.
std::vector<std::string> Characters(const std::string& text) {
  std::vector<std::string> all;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t size = ReadUtf8(rest).length;
    all.emplace_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  return all;
}

std::string Case(const std::string& text, bool upper) {
  if (!upper) return Normalize({Lowercase{}}, text);
  const icu::UnicodeString wide = icu::UnicodeString::fromUTF8(text);
  std::string out;
  icu::UnicodeString(wide).toUpper(icu::Locale::getRoot()).toUTF8String(out);
  return out;
}

std::string StripOf(const std::string& text, const std::optional<std::string>& set, bool left, bool right) {
  if (!set) return Normalize({StripSpaces{left, right}}, text);
  std::size_t begin = 0, end = text.size();
  while (left && begin < end && set->find(text[begin]) != std::string::npos) ++begin;
  while (right && end > begin && set->find(text[end - 1]) != std::string::npos) --end;
  return text.substr(begin, end - begin);
}

}  // namespace

// One rendering.
class Renderer {
 public:
  Renderer(const std::string& name, Json variables) : name_(name) { scopes_.push_back(std::move(variables)); }

  std::string Run(const std::vector<Statement>& statements) {
    std::string out;
    Body(statements, out);
    return out;
  }

 private:
  [[noreturn]] void Fail(int line, const std::string& what) const { throw DataError(name_ + ": chat template, line " + std::to_string(line) + ": " + what); }
  void Step(int line) {
    if (++steps_ > kMostSteps) Fail(line, "it takes more than " + std::to_string(kMostSteps) + " steps");
  }

  Json* FindVariable(const std::string& name) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const auto found = scope->find(name); found != scope->end()) return &*found;
    }
    return nullptr;
  }

  void Assign(const std::string& target, Json value, int line) {
    const std::size_t dot = target.find('.');
    if (dot == std::string::npos) return (void)(scopes_.back()[target] = std::move(value));
    Json* object = FindVariable(target.substr(0, dot));
    if (object == nullptr || !object->is_object()) Fail(line, "'" + target.substr(0, dot) + "' is no namespace");
    (*object)[target.substr(dot + 1)] = std::move(value);
  }
  void AssignAll(const std::vector<std::string>& targets, const Json& value, int line) {
    if (targets.size() == 1) return Assign(targets[0], value, line);
    if (!value.is_array() || value.size() != targets.size()) Fail(line, fmt::format("{} values are wanted to be set", targets.size()));
    for (std::size_t i = 0; i < targets.size(); ++i) Assign(targets[i], value[i], line);
  }

  void Body(const std::vector<Statement>& statements, std::string& out) {
    for (const Statement& s : statements) {
      Step(s.line);
      if (out.size() > kMostOutput) Fail(s.line, "it writes more than 16 MiB");
      switch (s.kind) {
        case Statement::kText: out += s.text; break;
        case Statement::kOutput: out += Show(Eval(s.exprs[0])); break;
        case Statement::kIf: If(s, out); break;
        case Statement::kFor: For(s, out); break;
        case Statement::kSet: AssignAll(s.names, Eval(s.exprs[0]), s.line); break;
        case Statement::kSetBlock: {
          std::string text;
          Body(s.bodies[0], text);
          AssignAll(s.names, text, s.line);
          break;
        }
        case Statement::kMacro: macros_[s.text] = &s; break;
        case Statement::kBreak: throw Stopped{};
        case Statement::kContinue: throw Skipped{};
      }
    }
  }

  void If(const Statement& s, std::string& out) {
    for (std::size_t i = 0; i < s.bodies.size(); ++i) {
      if (i < s.exprs.size() && !Truth(Eval(s.exprs[i]))) continue;
      return Body(s.bodies[i], out);
    }
  }

  Json Items(const Json& value, int line) {
    if (value.is_array()) return value;
    Json list = Json::array();
    if (value.is_discarded()) return list;
    if (value.is_string()) {
      for (std::string& c : Characters(value.get<std::string>())) list.push_back(std::move(c));
    } else if (value.is_object()) {
      for (const auto& [key, item] : value.items()) list.push_back(key);
    } else {
      Fail(line, Show(value, true) + " cannot be walked over");
    }
    return list;
  }

  void For(const Statement& s, std::string& out) {
    Json items = Items(Eval(s.exprs[0]), s.line);
    if (s.exprs.size() > 1) {
      Json kept = Json::array();
      for (Json& item : items) {
        Step(s.line);
        scopes_.push_back(Json::object());
        AssignAll(s.names, item, s.line);
        if (Truth(Eval(s.exprs[1]))) kept.push_back(std::move(item));
        scopes_.pop_back();
      }
      items = std::move(kept);
    }
    if (items.empty()) {
      if (s.bodies.size() > 1) Body(s.bodies[1], out);
      return;
    }
    const std::size_t count = items.size(), depth = scopes_.size();
    for (std::size_t i = 0; i < count; ++i) {
      Json loop = {{"index", i + 1}, {"index0", i}, {"revindex", count - i}, {"revindex0", count - i - 1}, {"first", i == 0}, {"last", i + 1 == count}, {"length", count}};
      if (i > 0) loop["previtem"] = items[i - 1];
      if (i + 1 < count) loop["nextitem"] = items[i + 1];
      scopes_.push_back(Json::object());
      scopes_.back()["loop"] = std::move(loop);
      AssignAll(s.names, items[i], s.line);
      try {
        Body(s.bodies[0], out);
      } catch (const Skipped&) {
      } catch (const Stopped&) {
        scopes_.resize(depth);
        return;
      }
      scopes_.resize(depth);
    }
  }

  // ---- expressions ----------------------------------------------------------------------------------

  Json Eval(const Expr& e) {
    Step(e.line);
    switch (e.kind) {
      case Expr::kLiteral: return ToValue(e.value);
      case Expr::kName: {
        const Json* found = FindVariable(e.text);
        return found == nullptr ? kUndefined : *found;
      }
      case Expr::kAttribute: return Member(Eval(e.kids[0]), e.text, e);
      case Expr::kIndex: return Index(e);
      case Expr::kSlice: return Slice(e);
      case Expr::kCall: return Call(e);
      case Expr::kFilter: return Filter(e);
      case Expr::kTest: return Test(e);
      case Expr::kUnary: return Unary(e);
      case Expr::kBinary: return Binary(e);
      case Expr::kInlineIf: return Truth(Eval(e.kids[1])) ? Eval(e.kids[0]) : Eval(e.kids[2]);
      case Expr::kList: {
        Json list = Json::array();
        for (const Expr& kid : e.kids) list.push_back(Eval(kid));
        return list;
      }
      case Expr::kObject: {
        Json object = Json::object();
        for (std::size_t i = 0; i < e.kids.size(); i += 2) object[Show(Eval(e.kids[i]))] = Eval(e.kids[i + 1]);
        return object;
      }
    }
    return kUndefined;
  }

  Json Member(const Json& value, const std::string& key, const Expr& e) const {
    if (value.is_discarded()) Fail(e.line, "'" + (e.kids[0].text.empty() ? "a value" : e.kids[0].text) + "' has no value, so none of its '" + key + "' either");
    if (!value.is_object()) return kUndefined;
    const auto found = value.find(key);
    return found == value.end() ? kUndefined : *found;
  }

  Json Index(const Expr& e) {
    const Json value = Eval(e.kids[0]), index = Eval(e.kids[1]);
    if (index.is_string()) return Member(value, index.get<std::string>(), e);
    if (value.is_discarded()) Fail(e.line, "what is indexed has no value");
    if (!index.is_number_integer()) Fail(e.line, "an index is a number or a text");
    std::int64_t at = index.get<std::int64_t>();
    const Json items = value.is_array() || value.is_string() ? Items(value, e.line) : Json::array();
    if (at < 0) at += static_cast<std::int64_t>(items.size());
    return at < 0 || at >= static_cast<std::int64_t>(items.size()) ? kUndefined : items[static_cast<std::size_t>(at)];
  }

  Json Slice(const Expr& e) {
    const Json value = Eval(e.kids[0]);
    if (!value.is_array() && !value.is_string()) Fail(e.line, "only texts and lists have slices");
    const Json items = Items(value, e.line);
    const auto size = static_cast<std::int64_t>(items.size());
    const auto part = [&](std::size_t i, std::int64_t otherwise) {
      const Json json = Eval(e.kids[i]);
      if (json.is_discarded() || json.is_null()) return otherwise;
      if (!json.is_number_integer()) Fail(e.line, "the parts of a slice are whole numbers");
      return json.get<std::int64_t>();
    };
    const std::int64_t step = part(3, 1);
    if (step == 0) Fail(e.line, "the step of a slice is 0");
    constexpr std::int64_t kNone = INT64_MIN;
    const auto place = [&](std::size_t i, std::int64_t otherwise) {
      std::int64_t at = part(i, kNone);
      if (at == kNone) return otherwise;
      if (at < 0) at += size;
      return std::clamp<std::int64_t>(at, step > 0 ? 0 : -1, step > 0 ? size : size - 1);
    };
    const std::int64_t begin = place(1, step > 0 ? 0 : size - 1), end = place(2, step > 0 ? size : -1);
    Json list = Json::array();
    for (std::int64_t at = begin; step > 0 ? at < end : at > end; at += step) list.push_back(items[static_cast<std::size_t>(at)]);
    if (value.is_array()) return list;
    std::string text;
    for (const Json& item : list) text += item.get<std::string>();
    return text;
  }

  Json Unary(const Expr& e) {
    const Json value = Eval(e.kids[0]);
    if (e.text == "not") return !Truth(value);
    if (value.is_number_float()) return -value.get<double>();
    if (value.is_number()) return -value.get<std::int64_t>();
    Fail(e.line, "- wants a number, found " + Show(value, true));
  }

  static bool Same(const Json& a, const Json& b) {
    if (a.is_discarded() || b.is_discarded()) return a.is_discarded() && b.is_discarded();
    if (a.is_boolean() && b.is_number()) return static_cast<double>(a.get<bool>()) == b.get<double>();
    if (b.is_boolean() && a.is_number()) return Same(b, a);
    return a == b;
  }

  Json Binary(const Expr& e) {
    const std::string& op = e.text;
    const Json left = Eval(e.kids[0]);
    if (op == "and") return Truth(left) ? Eval(e.kids[1]) : left;
    if (op == "or") return Truth(left) ? left : Eval(e.kids[1]);
    const Json right = Eval(e.kids[1]);
    if (op == "==") return Same(left, right);
    if (op == "!=") return !Same(left, right);
    if (op == "~") return Show(left) + Show(right);
    if (op == "in") return Contains(right, left, e.line);
    if (op == "not in") return !Contains(right, left, e.line);
    if (left.is_string() && right.is_string()) {
      const std::string &a = left.get_ref<const std::string&>(), &b = right.get_ref<const std::string&>();
      if (op == "+") return a + b;
      if (op == "<") return a < b;
      if (op == ">") return a > b;
      if (op == "<=") return a <= b;
      if (op == ">=") return a >= b;
    }
    if (op == "+" && left.is_array() && right.is_array()) {
      Json all = left;
      all.insert(all.end(), right.begin(), right.end());
      return all;
    }
    if (op == "*" && left.is_string() && right.is_number_integer()) {
      std::string all;
      for (std::int64_t i = 0; i < right.get<std::int64_t>() && all.size() < kMostOutput; ++i) all += left.get_ref<const std::string&>();
      return all;
    }
    const auto number = [&](const Json& value) {
      if (!value.is_number() && !value.is_boolean()) {
        Fail(e.line, value.is_discarded() ? "'" + op + "' is given a value that is not there" : "'" + op + "' cannot be done with " + Show(left, true) + " and " + Show(right, true));
      }
      return value.is_boolean() ? Json(static_cast<std::int64_t>(value.get<bool>())) : value;
    };
    const Json a = number(left), b = number(right);
    if (a.is_number_float() || b.is_number_float() || op == "/") return Count(op, a.get<double>(), b.get<double>(), e.line);
    return Count(op, a.get<std::int64_t>(), b.get<std::int64_t>(), e.line);
  }

  template <typename T>
  Json Count(const std::string& op, T a, T b, int line) const {
    if (op == "<") return a < b;
    if (op == ">") return a > b;
    if (op == "<=") return a <= b;
    if (op == ">=") return a >= b;
    if ((op == "/" || op == "//" || op == "%") && b == 0) Fail(line, "division by zero");
    if constexpr (std::is_integral_v<T>) {
      T result = 0;
      if (op == "+" && !__builtin_add_overflow(a, b, &result)) return result;
      if (op == "-" && !__builtin_sub_overflow(a, b, &result)) return result;
      if (op == "*" && !__builtin_mul_overflow(a, b, &result)) return result;
      if (op == "//" && b != -1) return a / b - (a % b != 0 && (a < 0) != (b < 0));
      if (op == "//" && !__builtin_sub_overflow(T{0}, a, &result)) return result;
      if (op == "%") return b == -1 ? Json(0) : Json(a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0));
      if (op == "**" && b >= 0 && b < 64) {
        result = 1;
        bool fits = true;
        for (T i = 0; i < b && fits; ++i) fits = !__builtin_mul_overflow(result, a, &result);
        if (fits) return result;
      }
      Fail(line, "'" + op + "' gives a number that is too large");
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

  bool Contains(const Json& where, const Json& what, int line) const {
    if (where.is_discarded()) return false;
    if (where.is_string()) {
      if (!what.is_string()) Fail(line, "'in' a text wants a text, found " + Show(what, true));
      return where.get_ref<const std::string&>().find(what.get_ref<const std::string&>()) != std::string::npos;
    }
    if (where.is_object()) return what.is_string() && where.contains(what.get<std::string>());
    if (where.is_array()) return std::any_of(where.begin(), where.end(), [&](const Json& item) { return Same(item, what); });
    Fail(line, "'in' wants a text, a list or an object, found " + Show(where, true));
  }

  // ---- calls ----------------------------------------------------------------------------------------

  std::vector<Json> Arguments(const Expr& e) {
    std::vector<Json> all;
    for (std::size_t i = 1; i < e.kids.size(); ++i) all.push_back(Eval(e.kids[i]));
    return all;
  }

  Json Call(const Expr& e) {
    const Expr& callee = e.kids[0];
    if (callee.kind == Expr::kAttribute) return Method(Eval(callee.kids[0]), callee.text, Arguments(e), e);
    if (callee.kind != Expr::kName) Fail(e.line, "only functions, macros and methods can be called");
    const std::string& name = callee.text;
    if (const auto macro = macros_.find(name); macro != macros_.end()) return Macro(*macro->second, e);
    const std::vector<Json> arguments = Arguments(e);
    if (name == "raise_exception") throw DataError(name_ + ": the chat template says: " + (arguments.empty() ? "" : Show(arguments[0])));
    if (name == "namespace" || name == "dict") {
      Json object = arguments.empty() || !arguments[0].is_object() ? Json::object() : arguments[0];
      for (std::size_t i = 0; i < e.named.size(); ++i) object[e.names[i]] = Eval(e.named[i]);
      return object;
    }
    if (name == "range") return Range(arguments, e.line);
    if (name == "strftime_now") {
      const Json* now = FindVariable("now");
      if (now == nullptr) Fail(e.line, "strftime_now wants the variable `now`, the date as it is to stand there");
      return *now;
    }
    Fail(e.line, "the function '" + name + "' is not known");
  }

  Json Range(const std::vector<Json>& arguments, int line) {
    std::vector<std::int64_t> numbers;
    for (const Json& one : arguments) {
      if (!one.is_number_integer()) Fail(line, "range wants whole numbers");
      numbers.push_back(one.get<std::int64_t>());
    }
    if (numbers.empty() || numbers.size() > 3) Fail(line, "range wants one to three numbers");
    const std::int64_t begin = numbers.size() > 1 ? numbers[0] : 0, end = numbers.size() > 1 ? numbers[1] : numbers[0], step = numbers.size() > 2 ? numbers[2] : 1;
    if (step == 0) Fail(line, "the step of a range is 0");
    Json list = Json::array();
    for (std::int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
      Step(line);
      list.push_back(i);
    }
    return list;
  }

  Json Macro(const Statement& macro, const Expr& call) {
    if (++calls_ > kDeepestCall) Fail(call.line, "macros call one another too deep");
    std::vector<Json> arguments = Arguments(call);
    if (arguments.size() > macro.names.size()) Fail(call.line, "macro '" + macro.text + "' takes " + std::to_string(macro.names.size()) + " arguments");
    Json scope = Json::object();
    const std::size_t without = macro.names.size() - macro.defaults.size();
    for (std::size_t i = 0; i < macro.names.size(); ++i) {
      scope[macro.names[i]] = i < arguments.size() ? std::move(arguments[i]) : i >= without ? Eval(macro.defaults[i - without]) : kUndefined;
    }
    for (std::size_t i = 0; i < call.named.size(); ++i) scope[call.names[i]] = Eval(call.named[i]);
    // A macro sees what stands outside of all loops, and its arguments.
    std::vector<Json> outside(std::make_move_iterator(scopes_.begin() + 1), std::make_move_iterator(scopes_.end()));
    scopes_.resize(1);
    scopes_.push_back(std::move(scope));
    std::string out;
    Body(macro.bodies[0], out);
    scopes_.resize(1);
    scopes_.insert(scopes_.end(), std::make_move_iterator(outside.begin()), std::make_move_iterator(outside.end()));
    --calls_;
    return out;
  }

  // As Python's: an empty text is found before every character and at the end.
  std::string Replaced(const std::string& text, const std::string& from, const std::string& to, int line) const {
    std::string out;
    for (std::size_t at = 0;;) {
      const std::size_t found = from.empty() ? at : text.find(from, at);
      out += text.substr(at, found - at);
      if (found == std::string::npos) return out;
      out += to;
      if (out.size() > kMostOutput) Fail(line, "it writes more than 16 MiB");
      at = found + from.size();
      if (!from.empty()) continue;
      if (at == text.size()) return out;
      const std::size_t length = ReadUtf8(std::string_view(text).substr(at)).length;
      out += text.substr(at, length);
      at += length;
    }
  }

  Json Method(const Json& self, const std::string& name, const std::vector<Json>& arguments, const Expr& e) {
    const auto text = [&](std::size_t i) {
      if (i >= arguments.size() || !arguments[i].is_string()) Fail(e.line, "." + name + " wants a text");
      return arguments[i].get<std::string>();
    };
    if (self.is_string()) {
      const std::string& own = self.get_ref<const std::string&>();
      const auto set = [&] { return arguments.empty() || arguments[0].is_null() ? std::nullopt : std::optional<std::string>(text(0)); };
      if (name == "strip") return StripOf(own, set(), true, true);
      if (name == "lstrip") return StripOf(own, set(), true, false);
      if (name == "rstrip") return StripOf(own, set(), false, true);
      if (name == "startswith") return own.starts_with(text(0));
      if (name == "endswith") return own.ends_with(text(0));
      if (name == "upper") return Case(own, true);
      if (name == "lower") return Case(own, false);
      if (name == "replace") return Replaced(own, text(0), text(1), e.line);
      if (name == "split") return Split(own, arguments, e.line);
    } else if (self.is_object()) {
      if (name == "get") {
        const auto found = self.find(text(0));
        return found != self.end() ? *found : arguments.size() > 1 ? arguments[1] : Json(nullptr);
      }
      if (name == "items" || name == "keys" || name == "values") {
        Json list = Json::array();
        for (const auto& [key, value] : self.items()) list.push_back(name == "keys" ? Json(key) : name == "values" ? value : Json::array({key, value}));
        return list;
      }
    } else if (self.is_discarded()) {
      Fail(e.line, "." + name + "() of a value that is not there");
    }
    Fail(e.line, "." + name + "() of " + Show(self, true).substr(0, 60) + " is not known");
  }

  Json Split(const std::string& own, const std::vector<Json>& arguments, int line) {
    Json list = Json::array();
    const std::int64_t most = arguments.size() > 1 && arguments[1].is_number_integer() ? arguments[1].get<std::int64_t>() : -1;
    if (arguments.empty() || arguments[0].is_null()) {  // at runs of white space
      for (std::string_view rest = own; !rest.empty();) {
        std::size_t size = 0;
        while (size < rest.size() && !IsSpace(ReadUtf8(rest.substr(size)).code_point)) size += ReadUtf8(rest.substr(size)).length;
        if (size > 0) list.push_back(std::string(rest.substr(0, size)));
        rest.remove_prefix(size);
        while (!rest.empty() && IsSpace(ReadUtf8(rest).code_point)) rest.remove_prefix(ReadUtf8(rest).length);
      }
      return list;
    }
    const std::string mark = arguments[0].is_string() ? arguments[0].get<std::string>() : "";
    if (mark.empty()) Fail(line, ".split wants a text that is not empty");
    std::size_t at = 0;
    for (std::size_t found; (most < 0 || static_cast<std::int64_t>(list.size()) < most) && (found = own.find(mark, at)) != std::string::npos; at = found + mark.size()) {
      list.push_back(own.substr(at, found - at));
    }
    list.push_back(own.substr(at));
    return list;
  }

  Json Filter(const Expr& e) {
    const std::string& name = e.text;
    const Json value = Eval(e.kids[0]);
    const std::vector<Json> arguments = Arguments(e);
    const auto named = [&](const char* key) {
      for (std::size_t i = 0; i < e.named.size(); ++i) {
        if (e.names[i] == key) return Eval(e.named[i]);
      }
      return kUndefined;
    };
    if (name == "default" || name == "d") {
      const bool also_false = (arguments.size() > 1 && Truth(arguments[1])) || Truth(named("boolean"));
      return value.is_discarded() || (also_false && !Truth(value)) ? (arguments.empty() ? Json("") : arguments[0]) : value;
    }
    if (name == "tojson") {
      const Json indent = arguments.empty() ? named("indent") : arguments[0];
      return ToJson(value.is_discarded() ? Json(nullptr) : value, indent.is_number_integer() ? static_cast<int>(std::clamp<std::int64_t>(indent.get<std::int64_t>(), 0, 64)) : -1);
    }
    if (name == "safe") return value;
    if (name == "string") return Show(value);
    if (name == "trim") return StripOf(Show(value), std::nullopt, true, true);
    if (name == "upper") return Case(Show(value), true);
    if (name == "lower") return Case(Show(value), false);
    if (name == "capitalize") {
      const std::string text = Case(Show(value), false);
      const std::size_t first = text.empty() ? 0 : ReadUtf8(text).length;
      return Case(text.substr(0, first), true) + text.substr(first);
    }
    if (name == "replace") {
      if (arguments.size() < 2) Fail(e.line, "replace wants two texts");
      return Replaced(Show(value), Show(arguments[0]), Show(arguments[1]), e.line);
    }
    if (name == "int") return value.is_number() ? Json(static_cast<std::int64_t>(value.get<double>())) : Json(std::strtoll(Show(value).c_str(), nullptr, 10));
    if (name == "length" || name == "count") return value.is_object() ? value.size() : Items(value, e.line).size();
    if (name == "items") return value.is_discarded() ? Json::array() : Method(value, "items", {}, e);
    const Json items = Items(value, e.line);
    if (name == "list") return items;
    if (name == "first") return items.empty() ? kUndefined : items.front();
    if (name == "last") return items.empty() ? kUndefined : items.back();
    if (name == "join") {
      std::string out;
      for (std::size_t i = 0; i < items.size(); ++i) out += (i > 0 && !arguments.empty() ? Show(arguments[0]) : "") + Show(items[i]);
      return out;
    }
    return Each(e, items, arguments, named("attribute"));
  }

  // map, selectattr, rejectattr.
  Json Each(const Expr& e, const Json& items, const std::vector<Json>& arguments, const Json& attribute) {
    Json list = Json::array();
    const Json key = e.text == "map" ? attribute : arguments.empty() ? kUndefined : arguments[0];
    if (!key.is_string()) Fail(e.line, e.text + (e.text == "map" ? " wants attribute='...'" : " wants the name of an attribute"));
    for (const Json& item : items) {
      const Json own = item.is_object() && item.contains(key.get<std::string>()) ? item[key.get<std::string>()] : kUndefined;
      if (e.text == "map") {
        list.push_back(own);
        continue;
      }
      const bool holds = arguments.size() < 2 ? Truth(own) : Holds(Show(arguments[1]), own, {arguments.begin() + 2, arguments.end()}, e.line);
      if (holds == (e.text == "selectattr")) list.push_back(item);
    }
    return list;
  }

  Json Test(const Expr& e) { return Holds(e.text, Eval(e.kids[0]), Arguments(e), e.line); }

  bool Holds(const std::string& name, const Json& value, const std::vector<Json>& arguments, int line) const {
    if (name == "defined") return !value.is_discarded();
    if (name == "undefined") return value.is_discarded();
    if (name == "none") return value.is_null();
    if (name == "string") return value.is_string();
    if (name == "mapping") return value.is_object();
    if (name == "sequence" || name == "iterable") return value.is_array() || value.is_string() || value.is_object();
    if (name == "number") return value.is_number() || value.is_boolean();
    if (name == "integer") return value.is_number_integer();
    if (name == "float") return value.is_number_float();
    if (name == "boolean") return value.is_boolean();
    if (name == "true") return value.is_boolean() && value.get<bool>();
    if (name == "false") return value.is_boolean() && !value.get<bool>();
    if (name == "odd" || name == "even") return value.is_number_integer() && (value.get<std::int64_t>() % 2 != 0) == (name == "odd");
    if (arguments.empty()) Fail(line, "the test '" + name + "' wants a value to compare with");
    if (name == "in") return Contains(arguments[0], value, line);
    if (name == "equalto" || name == "eq" || name == "sameas") return Same(value, arguments[0]);
    if (name == "ne") return !Same(value, arguments[0]);
    Fail(line, "the test '" + name + "' is not known");
  }

  const std::string& name_;
  std::vector<Json> scopes_;
  std::map<std::string, const Statement*> macros_;
  std::int64_t steps_ = 0;
  int calls_ = 0;
};

bool IsKnownFilter(const std::string& name) {
  static const std::vector<std::string> known = {"default", "d", "tojson", "safe", "string", "trim", "upper", "lower", "capitalize", "replace", "int", "length", "count", "items",
                                                 "list", "first", "last", "join", "map", "selectattr", "rejectattr"};
  return std::find(known.begin(), known.end(), name) != known.end();
}

bool IsKnownTest(const std::string& name) {
  static const std::vector<std::string> known = {"defined", "undefined", "none", "string", "mapping", "sequence", "iterable", "number", "integer", "float", "boolean", "true",
                                                 "false", "odd", "even", "in", "equalto", "eq", "sameas", "ne"};
  return std::find(known.begin(), known.end(), name) != known.end();
}

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
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(variables, nullptr, false);
  if (!json.is_object()) throw DataError(impl_->name + ": the variables of a chat template are a JSON object");
  try {
    return chat::Renderer(impl_->name, std::move(json)).Run(impl_->statements);
  } catch (const chat::Stopped&) {
    throw DataError(impl_->name + ": chat template: break outside of a loop");
  } catch (const chat::Skipped&) {
    throw DataError(impl_->name + ": chat template: continue outside of a loop");
  }
}

}  // namespace cogent
