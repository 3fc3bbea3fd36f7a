// What a rendering does with values: operators, functions, methods, filters and tests, and how much work it may be. Internal to
// policies/chat_template*.cc; the operators are in chat_template_operators.cc, what has a name in chat_template_builtins.cc.
//
// All of it throws DataError with the template's name and the line that is run; Refusal where a value is refused by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policies/chat_template_value.h"

namespace cogent::chat {

constexpr std::size_t kSlow = 4;  // a byte that is looked up in Unicode's tables counts as so many

using Arguments = std::vector<Value>;  // by the places of the parameters; undefined: not given
using Members = std::vector<std::pair<std::string, Value>>;

class Operations {
 public:
  // Keeps a reference to the name.
  explicit Operations(const std::string& name) : name_(name) {}

  [[noreturn]] void Fail(const std::string& what) const;
  int line() const { return line_; }
  void Step(int line) {
    line_ = line;
    Step();
  }
  void Step();
  void Work(std::size_t bytes);  // bytes that are made or read through
  Value List(std::vector<Value> items, bool tuple = false);
  Value Text(std::string text);

  // ---- operators ----------------------------------------------------------------------------------------

  Value Items(const Value& value);  // what a loop walks over, as a list
  // `of`: how the template calls the value.
  Value Member(const Value& value, const std::string& key, const std::string& of) const;
  Value At(const Value& value, const Value& index, const std::string& of);  // value[index] for an index that is no slice
  Value Slice(const Value& value, const Value& begin, const Value& end, const Value& step);
  bool Compared(const std::string& op, const Value& a, const Value& b);
  Value Signed(const std::string& op, const Value& value) const;  // op: + or -
  Value Calculate(const std::string& op, const Value& left, const Value& right);
  static void Put(Members& members, const std::string& key, Value value);

  // ---- what has a name; the arguments are those that the parser has put at their places -----------------

  Value Range(const Arguments& arguments);
  Value Date(const Value& now, const std::string& format);
  Value Made(const std::string& name, const Arguments& arguments, Members named);  // namespace, dict
  Value Method(const Value& self, const std::string& name, const Arguments& arguments);
  Value Filter(const std::string& name, const Value& value, const Arguments& arguments);
  bool Holds(const std::string& test, const Value& value, const Arguments& arguments);

 private:
  bool Equal(const Value& a, const Value& b);
  int Order(const Value& a, const Value& b, const std::string& op);  // -1, 0 or 1, of values that have an order
  bool Contains(const Value& where, const Value& what);
  Value Repeated(const Value& value, std::int64_t times);
  template <typename T>
  Value Count(const std::string& op, T a, T b) const;

  const std::string& TextOf(const Value& value, const std::string& name) const;
  std::int64_t WholeOr(const Value& value, std::int64_t otherwise, const std::string& name) const;
  Value Texts(std::vector<std::string> texts);
  std::optional<Value> TextMethod(const std::string& own, const std::string& name, const std::string& called, const Arguments& arguments);
  Value Part(const std::string& own, const Arguments& arguments, const std::string& called);
  std::optional<Value> ObjectMethod(const Value& self, const std::string& name, const Arguments& arguments);
  Value Joined(const std::vector<Value>& items, const std::string& mark);
  Value AttributeOf(const Value& item, const Value& path, const Value& otherwise);
  Value Each(const std::string& name, const Value& value, const Arguments& arguments);
  Value Key(const Value& item, const Value& attribute, bool case_sensitive);
  Value Sorted(const Value& value, const Value& attribute, bool case_sensitive, bool reverse);
  Value Json(const Value& value, const Arguments& arguments);
  Value Indented(const std::string& text, const Arguments& arguments);
  Value Numeric(const std::string& name, const Value& value, const Arguments& arguments);

  const std::string& name_;
  std::int64_t steps_ = 0;
  std::size_t made_ = 0;
  int line_ = 1;
};

}  // namespace cogent::chat
