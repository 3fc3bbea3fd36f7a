// Values of a chat template: Python's, as far as templates use them. Internal to policies/chat_template*.cc.
//
// Texts, lists and objects are shared and never change, so that a copy costs nothing; only a namespace does, and all who hold it
// see that. Memory is counted: a template that makes more than it may is stopped.
// Thread rule: a value stays in the thread that made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "policies/chat_template_impl.h"

namespace cogent::chat {

constexpr std::size_t kMostOutput = 16u << 20;    // bytes of one text
constexpr std::size_t kMostItems = 1u << 20;      // of one list or object
constexpr std::size_t kMostMemory = 512u << 20;   // bytes of all that is there at once
constexpr int kDeepestValue = 200;                // lists in lists

// What is wrong, without the line, which only the renderer knows.
struct Refusal {
  std::string what;
};

// Bytes that count as used for as long as it lives.
class Charge {
 public:
  explicit Charge(std::size_t bytes);
  ~Charge();
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

 private:
  std::size_t bytes_;
};

class Value;
struct TextBody;
struct ListBody;
struct ObjectBody;

struct Function {
  std::string name;
  const Statement* macro = nullptr;  // null: one that is always there
  std::size_t scopes = 1;            // of a macro: so many stand around it
};

class Value {
 public:
  struct Undefined {};
  Value() = default;
  Value(std::nullptr_t) : of_(nullptr) {}
  Value(bool value) : of_(value) {}
  Value(int value) : of_(std::int64_t{value}) {}
  Value(std::int64_t value) : of_(value) {}
  Value(std::uint64_t value);  // those beyond std::int64_t stay what they are
  Value(double value) : of_(value) {}
  Value(std::string text);
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(Function function) : of_(std::make_shared<const Function>(std::move(function))) {}
  static Value List(std::vector<Value> items, bool tuple = false);
  static Value Object(std::vector<std::pair<std::string, Value>> members, bool is_namespace = false);

  bool IsUndefined() const { return std::holds_alternative<Undefined>(of_); }
  bool IsNone() const { return std::holds_alternative<std::nullptr_t>(of_); }
  bool IsBool() const { return std::holds_alternative<bool>(of_); }
  bool IsWhole() const { return std::holds_alternative<std::int64_t>(of_); }  // not a bool
  bool IsFloat() const { return std::holds_alternative<double>(of_) || std::holds_alternative<std::uint64_t>(of_); }
  bool IsNumber() const { return IsWhole() || IsFloat(); }  // not a bool
  bool IsText() const { return std::holds_alternative<std::shared_ptr<const TextBody>>(of_); }
  bool IsList() const { return std::holds_alternative<std::shared_ptr<const ListBody>>(of_); }
  bool IsObject() const;  // no namespace
  bool IsNamespace() const;
  bool IsFunction() const { return std::holds_alternative<std::shared_ptr<const Function>>(of_); }
  bool IsTuple() const;

  // REQUIRES: it is one.
  bool Bool() const { return std::get<bool>(of_); }
  std::int64_t Whole() const { return std::get<std::int64_t>(of_); }
  double Number() const;  // also of a bool
  bool IsBig() const { return std::holds_alternative<std::uint64_t>(of_); }
  std::uint64_t Big() const { return std::get<std::uint64_t>(of_); }
  const std::string& Text() const;
  const std::vector<Value>& Items() const;
  const std::vector<std::pair<std::string, Value>>& Members() const;  // of a namespace, too
  const Function& Callee() const { return *std::get<std::shared_ptr<const Function>>(of_); }
  const Value* Find(std::string_view key) const;  // in an object or namespace; null: not there
  void Set(const std::string& key, Value value) const;  // in a namespace

  int depth() const;            // 0: holds no other values
  bool HoldsNamespace() const;  // itself, or inside
  bool SameBody(const Value& other) const;  // is the same thing, not an equal one

 private:
  std::variant<Undefined, std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::shared_ptr<const TextBody>, std::shared_ptr<const ListBody>,
               std::shared_ptr<ObjectBody>, std::shared_ptr<const Function>>
      of_;
};

struct TextBody {
  explicit TextBody(std::string from) : charge(from.size() + 48), text(std::move(from)) {}
  Charge charge;
  std::string text;
};

struct ListBody {
  ListBody(std::vector<Value> from, bool is_tuple);
  Charge charge;
  std::vector<Value> items;
  bool tuple;
  int depth = 1;
  bool holds_namespace = false;
};

struct ObjectBody {
  ObjectBody(std::vector<std::pair<std::string, Value>> from, bool is_namespace);
  Charge charge;
  std::vector<std::pair<std::string, Value>> members;
  bool name_space;
  int depth = 1;
  bool holds_namespace = false;
};

// Throws Refusal where it is nested too deep, std::exception where it is no JSON.
Value FromJson(std::string_view json);

struct JsonStyle {
  bool ensure_ascii = false, sort_keys = false, lines = false;
  std::string indent, comma = ", ", colon = ": ";
};

bool Truth(const Value& value);
// Python's ==. `work` counts the values that were looked at.
bool Same(const Value& a, const Value& b, std::int64_t& work);
// str() and, inside of others, repr(). Throws Refusal.
std::string Show(const Value& value, bool inside = false);
// json.dumps of Python. Throws Refusal; a value that is no JSON is told by its text.
std::string ToJson(const Value& value, const JsonStyle& style);

// ---- texts, as Python's methods have them (chat_template_text.cc) ---------------------------------------

bool IsPythonSpace(char32_t c);
std::vector<std::string> Characters(std::string_view text);
std::size_t CountCharacters(std::string_view text);
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
std::string Capitalized(const std::string& text);
std::string TitleMethod(const std::string& text);
std::string TitleFilter(const std::string& text);
// Without `set`, white space.
std::string Stripped(std::string_view text, const std::string* set, bool left, bool right);
// Throws Refusal. count < 0: all.
std::string Replaced(const std::string& text, const std::string& from, const std::string& to, std::int64_t count);
// At runs of white space where `mark` is null. most < 0: all.
std::vector<std::string> SplitText(const std::string& text, const std::string* mark, std::int64_t most, bool from_right);
std::vector<std::string> SplitLines(std::string_view text, bool keep_ends);
std::string ReprText(const std::string& text);

}  // namespace cogent::chat
