#include "policies/chat_template_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"

namespace cogent::chat {
namespace {

using OrderedJson = nlohmann::ordered_json;

thread_local std::size_t used = 0;

template <typename List>
int DepthOf(const List& values) {
  int depth = 1;
  for (const Value& value : values) depth = std::max(depth, value.depth() + 1);
  if (depth > kDeepestValue) throw Refusal{"lists and objects are nested deeper than " + std::to_string(kDeepestValue)};
  return depth;
}

std::size_t TextBytes(const std::vector<std::pair<std::string, Value>>& members) {
  return std::accumulate(members.begin(), members.end(), std::size_t{64}, [](std::size_t sum, const auto& one) { return sum + one.first.size() + sizeof(one); });
}

std::string FloatText(double number) {
  const std::string text = fmt::format("{}", number);
  return std::isfinite(number) && text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

void CheckSize(const std::string& out) {
  if (out.size() > kMostOutput) throw Refusal{"it makes a text of more than 16 MiB"};
}

void ShowTo(const Value& value, bool inside, std::string& out) {
  CheckSize(out);
  if (value.IsUndefined()) out += inside ? "Undefined" : "";
  else if (value.IsNone()) out += "None";
  else if (value.IsBool()) out += value.Bool() ? "True" : "False";
  else if (value.IsWhole()) out += std::to_string(value.Whole());
  else if (value.IsBig()) out += std::to_string(value.Big());
  else if (value.IsFloat()) out += FloatText(value.Number());
  else if (value.IsText()) out += inside ? ReprText(value.Text()) : value.Text();
  else if (value.IsFunction()) out += "<function " + value.Callee().name + ">";
  else if (value.IsList()) {
    out += value.IsTuple() ? '(' : '[';
    bool first = true;
    for (const Value& item : value.Items()) {
      if (!std::exchange(first, false)) out += ", ";
      ShowTo(item, true, out);
    }
    if (value.IsTuple() && value.Items().size() == 1) out += ',';
    out += value.IsTuple() ? ')' : ']';
  } else {
    out += value.IsNamespace() ? "<Namespace {" : "{";
    bool first = true;
    for (const auto& [key, item] : value.Members()) {
      if (!std::exchange(first, false)) out += ", ";
      out += ReprText(key) + ": ";
      ShowTo(item, true, out);
    }
    out += value.IsNamespace() ? "}>" : "}";
  }
  CheckSize(out);
}

void JsonTo(const Value& value, const JsonStyle& style, int depth, std::string& out) {
  CheckSize(out);
  const auto text = [&](const std::string& one) { out += OrderedJson(one).dump(-1, ' ', style.ensure_ascii, OrderedJson::error_handler_t::replace); };
  const auto line = [&](int levels) {
    if (!style.lines) return;
    out += '\n';
    for (int i = 0; i < levels; ++i) out += style.indent;
  };
  if (value.IsText()) return text(value.Text());
  if (value.IsNone()) return (void)(out += "null");
  if (value.IsBool()) return (void)(out += value.Bool() ? "true" : "false");
  if (value.IsFloat() && !value.IsBig()) {
    const double number = value.Number();
    return (void)(out += std::isnan(number) ? "NaN" : std::isinf(number) ? (number > 0 ? "Infinity" : "-Infinity") : FloatText(number));
  }
  if (value.IsNumber()) return (void)(out += Show(value));
  if (value.IsList()) {
    if (value.Items().empty()) return (void)(out += "[]");
    out += '[';
    bool first = true;
    for (const Value& item : value.Items()) {
      if (!std::exchange(first, false)) out += style.comma;
      line(depth + 1);
      JsonTo(item, style, depth + 1, out);
    }
    line(depth);
    out += ']';
    return;
  }
  if (!value.IsObject()) throw Refusal{"tojson cannot write " + (value.IsUndefined() ? std::string("a value that is not there") : Show(value).substr(0, 60))};
  if (value.Members().empty()) return (void)(out += "{}");
  std::vector<const std::pair<std::string, Value>*> members;
  for (const auto& one : value.Members()) members.push_back(&one);
  if (style.sort_keys) std::stable_sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  out += '{';
  bool first = true;
  for (const auto* one : members) {
    if (!std::exchange(first, false)) out += style.comma;
    line(depth + 1);
    text(one->first);
    out += style.colon;
    JsonTo(one->second, style, depth + 1, out);
  }
  line(depth);
  out += '}';
}

Value Made(const OrderedJson& json, int depth) {
  if (depth > kDeepestValue) throw Refusal{"the variables are nested deeper than " + std::to_string(kDeepestValue)};
  switch (json.type()) {
    case OrderedJson::value_t::boolean: return json.get<bool>();
    case OrderedJson::value_t::number_integer: return json.get<std::int64_t>();
    case OrderedJson::value_t::number_unsigned: return json.get<std::uint64_t>();
    case OrderedJson::value_t::number_float: return json.get<double>();
    case OrderedJson::value_t::string: return json.get_ref<const std::string&>();
    case OrderedJson::value_t::array: {
      std::vector<Value> items;
      for (const OrderedJson& item : json) items.push_back(Made(item, depth + 1));
      return Value::List(std::move(items));
    }
    case OrderedJson::value_t::object: {
      std::vector<std::pair<std::string, Value>> members;
      for (const auto& [key, item] : json.items()) members.emplace_back(key, Made(item, depth + 1));
      return Value::Object(std::move(members));
    }
    default: return nullptr;
  }
}

}  // namespace

Charge::Charge(std::size_t bytes) : bytes_(bytes) {
  if (used + bytes > kMostMemory) throw Refusal{"it needs more than 512 MiB of memory"};
  used += bytes;
}
Charge::~Charge() { used -= bytes_; }

ListBody::ListBody(std::vector<Value> from, bool is_tuple) : charge(from.size() * sizeof(Value) + 64), items(std::move(from)), tuple(is_tuple), depth(DepthOf(items)) {
  holds_namespace = std::any_of(items.begin(), items.end(), [](const Value& one) { return one.HoldsNamespace(); });
}

ObjectBody::ObjectBody(std::vector<std::pair<std::string, Value>> from, bool is_namespace) : charge(TextBytes(from)), members(std::move(from)), name_space(is_namespace) {
  for (const auto& [key, value] : members) {
    depth = std::max(depth, value.depth() + 1);
    holds_namespace = holds_namespace || value.HoldsNamespace();
  }
  if (depth > kDeepestValue) throw Refusal{"lists and objects are nested deeper than " + std::to_string(kDeepestValue)};
}

Value::Value(std::string text) {
  if (text.size() > kMostOutput) throw Refusal{"it makes a text of more than 16 MiB"};
  of_ = std::make_shared<const TextBody>(std::move(text));
}
Value::Value(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(INT64_MAX)) of_ = static_cast<std::int64_t>(value);
  else of_ = value;
}
Value Value::List(std::vector<Value> items, bool tuple) {
  if (items.size() > kMostItems) throw Refusal{"it makes a list of more than " + std::to_string(kMostItems) + " values"};
  Value value;
  value.of_ = std::make_shared<const ListBody>(std::move(items), tuple);
  return value;
}
Value Value::Object(std::vector<std::pair<std::string, Value>> members, bool is_namespace) {
  if (members.size() > kMostItems) throw Refusal{"it makes an object of more than " + std::to_string(kMostItems) + " values"};
  Value value;
  value.of_ = std::make_shared<ObjectBody>(std::move(members), is_namespace);
  return value;
}

bool Value::IsObject() const {
  const auto* body = std::get_if<std::shared_ptr<ObjectBody>>(&of_);
  return body != nullptr && !(*body)->name_space;
}
bool Value::IsNamespace() const {
  const auto* body = std::get_if<std::shared_ptr<ObjectBody>>(&of_);
  return body != nullptr && (*body)->name_space;
}
bool Value::IsTuple() const { return IsList() && std::get<std::shared_ptr<const ListBody>>(of_)->tuple; }

double Value::Number() const {
  if (IsBool()) return Bool() ? 1 : 0;
  if (IsWhole()) return static_cast<double>(Whole());
  return IsBig() ? static_cast<double>(Big()) : std::get<double>(of_);
}
const std::string& Value::Text() const { return std::get<std::shared_ptr<const TextBody>>(of_)->text; }
const std::vector<Value>& Value::Items() const { return std::get<std::shared_ptr<const ListBody>>(of_)->items; }
const std::vector<std::pair<std::string, Value>>& Value::Members() const { return std::get<std::shared_ptr<ObjectBody>>(of_)->members; }

const Value* Value::Find(std::string_view key) const {
  for (const auto& one : Members()) {
    if (one.first == key) return &one.second;
  }
  return nullptr;
}

void Value::Set(const std::string& key, Value value) const {
  ObjectBody& body = *std::get<std::shared_ptr<ObjectBody>>(of_);
  // A ring of namespaces would never be freed.
  if (value.HoldsNamespace()) throw Refusal{"a namespace cannot be put into a namespace"};
  body.depth = std::max(body.depth, value.depth() + 1);
  if (body.depth > kDeepestValue) throw Refusal{"lists and objects are nested deeper than " + std::to_string(kDeepestValue)};
  for (auto& one : body.members) {
    if (one.first == key) return (void)(one.second = std::move(value));
  }
  body.members.emplace_back(key, std::move(value));
}

int Value::depth() const {
  if (const auto* list = std::get_if<std::shared_ptr<const ListBody>>(&of_)) return (*list)->depth;
  if (const auto* object = std::get_if<std::shared_ptr<ObjectBody>>(&of_)) return (*object)->depth;
  return 0;
}
bool Value::HoldsNamespace() const {
  if (const auto* list = std::get_if<std::shared_ptr<const ListBody>>(&of_)) return (*list)->holds_namespace;
  if (const auto* object = std::get_if<std::shared_ptr<ObjectBody>>(&of_)) return (*object)->name_space || (*object)->holds_namespace;
  return false;
}

bool Value::SameBody(const Value& other) const {
  if (of_.index() != other.of_.index()) return false;
  if (IsList()) return std::get<std::shared_ptr<const ListBody>>(of_) == std::get<std::shared_ptr<const ListBody>>(other.of_);
  const auto* object = std::get_if<std::shared_ptr<ObjectBody>>(&of_);
  return object != nullptr && *object == std::get<std::shared_ptr<ObjectBody>>(other.of_);
}

Value FromJson(std::string_view json) { return Made(OrderedJson::parse(json), 0); }

bool Truth(const Value& value) {
  if (value.IsUndefined() || value.IsNone()) return false;
  if (value.IsBool() || value.IsNumber()) return value.Number() != 0;
  if (value.IsText()) return !value.Text().empty();
  if (value.IsList()) return !value.Items().empty();
  return !value.IsObject() || !value.Members().empty();
}

bool Same(const Value& a, const Value& b, std::int64_t& work) {
  ++work;
  if (a.IsUndefined() || b.IsUndefined()) return a.IsUndefined() && b.IsUndefined();
  const auto counts = [](const Value& one) { return one.IsNumber() || one.IsBool(); };
  if (counts(a) && counts(b)) {
    if (a.IsWhole() && b.IsWhole()) return a.Whole() == b.Whole();
    return a.Number() == b.Number();
  }
  if (a.IsText() && b.IsText()) {
    if (a.Text().size() != b.Text().size()) return false;
    work += static_cast<std::int64_t>(a.Text().size() / 64);
    return a.Text() == b.Text();
  }
  if (a.IsNone() || b.IsNone()) return a.IsNone() && b.IsNone();
  if (a.SameBody(b)) return true;
  if (a.IsList() && b.IsList()) {
    if (a.IsTuple() != b.IsTuple() || a.Items().size() != b.Items().size()) return false;
    for (std::size_t i = 0; i < a.Items().size(); ++i) {
      if (!Same(a.Items()[i], b.Items()[i], work)) return false;
      if (work > 1'000'000) throw Refusal{"a comparison looks at too many values"};
    }
    return true;
  }
  if (a.IsObject() && b.IsObject()) {
    if (a.Members().size() != b.Members().size()) return false;
    return std::all_of(a.Members().begin(), a.Members().end(), [&](const auto& one) {
      work += static_cast<std::int64_t>(b.Members().size() / 8);
      if (work > 1'000'000) throw Refusal{"a comparison looks at too many values"};
      const Value* other = b.Find(one.first);
      return other != nullptr && Same(one.second, *other, work);
    });
  }
  return false;
}

std::string Show(const Value& value, bool inside) {
  std::string out;
  ShowTo(value, inside, out);
  return out;
}

std::string ToJson(const Value& value, const JsonStyle& style) {
  std::string out;
  JsonTo(value, style, 0, out);
  return out;
}

}  // namespace cogent::chat
