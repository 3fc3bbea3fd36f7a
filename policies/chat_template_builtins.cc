// What has a name in chat templates: functions, methods, filters and tests.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>
#include <utility>

#include "policies/chat_template_operations.h"

namespace cogent::chat {
namespace {

const std::string kDot = ".";

// What Python's float() or int() reads; nothing where they read nothing.
template <typename Number>
std::optional<Number> Read(const std::string& given) {
  std::string text = Stripped(given, nullptr, true, true);
  std::erase(text, '_');
  if (text.starts_with('+')) text.erase(0, 1);
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || end != text.data() + text.size() || error != std::errc()) return std::nullopt;
  return number;
}

const Value& Nth(const Arguments& arguments, std::size_t i) {
  static const Value none;
  return i < arguments.size() ? arguments[i] : none;
}
bool Absent(const Value& value) { return value.IsUndefined() || value.IsNone(); }
Value OrElse(Value value, const Value& otherwise) { return value.IsUndefined() && !Absent(otherwise) ? otherwise : value; }

}  // namespace

// ---- functions ------------------------------------------------------------------------------------------

Value Operations::Range(const Arguments& arguments) {
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

// `now` is a text that stands there as it is, or seconds since 1970, which get the format.
Value Operations::Date(const Value& now, const std::string& format) {
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

Value Operations::Made(const std::string& name, const Arguments& arguments, Members named) {
  Members members;
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
  for (auto& [key, value] : named) Put(members, key, std::move(value));
  Work(members.size() * 64);
  for (const auto& one : members) {
    if (name == "namespace" && one.second.HoldsNamespace()) Fail("a namespace cannot be put into a namespace");
  }
  return Value::Object(std::move(members), name == "namespace");
}

// ---- methods --------------------------------------------------------------------------------------------

const std::string& Operations::TextOf(const Value& value, const std::string& name) const {
  if (!value.IsText()) Fail(name + " wants a text");
  return value.Text();
}

std::int64_t Operations::WholeOr(const Value& value, std::int64_t otherwise, const std::string& name) const {
  if (Absent(value)) return otherwise;
  if (value.IsBool()) return value.Bool();
  if (!value.IsWhole()) Fail(name + " wants a whole number");
  return value.Whole();
}

Value Operations::Texts(std::vector<std::string> texts) {
  std::vector<Value> list;
  for (std::string& one : texts) {
    Step();
    list.emplace_back(std::move(one));
  }
  return List(std::move(list));
}

Value Operations::Method(const Value& self, const std::string& name, const Arguments& arguments) {
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

std::optional<Value> Operations::TextMethod(const std::string& own, const std::string& name, const std::string& called, const Arguments& arguments) {
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
Value Operations::Part(const std::string& own, const Arguments& arguments, const std::string& called) {
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

std::optional<Value> Operations::ObjectMethod(const Value& self, const std::string& name, const Arguments& arguments) {
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

// ---- filters --------------------------------------------------------------------------------------------

Value Operations::Filter(const std::string& name, const Value& value, const Arguments& arguments) {
  if (name == "map" || name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr") return Each(name, value, arguments);
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

Value Operations::Joined(const std::vector<Value>& items, const std::string& mark) {
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
Value Operations::AttributeOf(const Value& item, const Value& path, const Value& otherwise) {
  if (path.IsWhole()) return OrElse(At(item, path, ""), otherwise);
  Value value = item;
  for (const std::string& part : SplitText(TextOf(path, "an attribute"), &kDot, -1, false)) {
    const std::optional<std::int64_t> number = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }) ? Read<std::int64_t>(part) : std::nullopt;
    value = OrElse(number && !value.IsObject() ? At(value, *number, "") : Member(value, part, ""), otherwise);
  }
  return value;
}

// map, select, reject, selectattr, rejectattr; the arguments are those that BindFilter leaves.
Value Operations::Each(const std::string& name, const Value& value, const Arguments& arguments) {
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
Value Operations::Key(const Value& item, const Value& attribute, bool case_sensitive) {
  const Value own = Absent(attribute) ? item : AttributeOf(item, attribute, {});
  return own.IsText() && !case_sensitive ? Text(Lower(own.Text())) : own;
}

Value Operations::Sorted(const Value& value, const Value& attribute, bool case_sensitive, bool reverse) {
  const Value list = Items(value);
  if (attribute.IsText() && attribute.Text().find(',') != std::string::npos) Fail("sort is read with one attribute only");
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : list.Items()) keyed.emplace_back(Key(item, attribute, case_sensitive), item);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) { return reverse ? Order(b.first, a.first, "<") < 0 : Order(a.first, b.first, "<") < 0; });
  std::vector<Value> sorted;
  for (auto& one : keyed) sorted.push_back(std::move(one.second));
  return List(std::move(sorted));
}

Value Operations::Json(const Value& value, const Arguments& arguments) {
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

Value Operations::Indented(const std::string& text, const Arguments& arguments) {
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

Value Operations::Numeric(const std::string& name, const Value& value, const Arguments& arguments) {
  const Value& first = Nth(arguments, 0);
  if (name == "float") {
    if (value.IsNumber() || value.IsBool()) return value.Number();
    const std::optional<double> number = value.IsText() ? Read<double>(value.Text()) : std::nullopt;
    return number ? Value(*number) : first.IsUndefined() ? Value(0.0) : first;
  }
  if (name == "int") {
    const Value otherwise = first.IsUndefined() ? Value(0) : first;
    if (value.IsBool()) return static_cast<std::int64_t>(value.Bool());
    if (value.IsWhole() || value.IsBig()) return value;
    if (value.IsText()) {
      if (const std::optional<std::int64_t> whole = Read<std::int64_t>(value.Text())) return *whole;
    }
    const std::optional<double> number = value.IsFloat() ? std::optional(value.Number()) : value.IsText() ? Read<double>(value.Text()) : std::nullopt;
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
  return *Read<double>(fmt::format("{:.{}f}", value.Number(), precision));
}

// ---- tests ----------------------------------------------------------------------------------------------

bool Operations::Holds(const std::string& test, const Value& value, const Arguments& arguments) {
  if (test == "defined") return !value.IsUndefined();
  if (test == "undefined") return value.IsUndefined();
  if (test == "none") return value.IsNone();
  if (test == "string") return value.IsText();
  if (test == "mapping") return value.IsObject();
  // What is not there is an empty list to Jinja.
  if (test == "sequence" || test == "iterable") return value.IsUndefined() || value.IsList() || value.IsText() || value.IsObject();
  if (test == "number") return value.IsNumber() || value.IsBool();
  if (test == "integer") return value.IsWhole() || value.IsBig();
  if (test == "float") return value.IsFloat() && !value.IsBig();
  if (test == "boolean") return value.IsBool();
  if (test == "true") return value.IsBool() && value.Bool();
  if (test == "false") return value.IsBool() && !value.Bool();
  if (test == "callable") return value.IsFunction();
  if (test == "odd" || test == "even") {
    if (!value.IsWhole()) Fail("the test '" + test + "' wants a whole number, found " + Show(value, true).substr(0, 60));
    return (value.Whole() % 2 != 0) == (test == "odd");
  }
  if (test == "lower" || test == "upper") {
    const std::string text = Show(value);
    Work(text.size());
    return (test == "lower" ? Lower(text) : Upper(text)) == text && Lower(text) != Upper(text);
  }
  const Value& other = Nth(arguments, 0);
  if (test == "divisibleby") {
    const Value rest = Calculate("%", value, other);
    return rest.Number() == 0;
  }
  if (test == "sameas") {
    if (value.IsList() || value.IsObject() || value.IsNamespace()) return value.SameBody(other);
    return value.IsBool() == other.IsBool() && value.IsFloat() == other.IsFloat() && Equal(value, other);
  }
  return Compared(test, value, other);
}

}  // namespace cogent::chat
