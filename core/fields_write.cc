// The dumper and the help printer, and how ranges are written.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/config.h"
#include "core/fields.h"
#include "core/scalar.h"

namespace cogent {
namespace {

std::string WriteRange(bool has_low, bool has_high, const std::string& low, const std::string& high, RangeForm form) {
  const bool sentence = form == RangeForm::kSentence;
  if (has_low && has_high) return (sentence ? "from " : "") + low + " to " + high;
  if (has_low) return (sentence ? "at least " : ">= ") + low;
  if (has_high) return (sentence ? "at most " : "<= ") + high;
  return "";
}

Node TextNode(const std::string& text) {
  Node node = Node::Scalar(text);
  node.quoted = NeedsQuotes(text);
  return node;
}

Node ChoiceNode(const Choice& choice) {
  if (choice.settings.entries.empty()) return TextNode(choice.name);
  Node map = Node::Map();
  map.Set("name", TextNode(choice.name));
  for (const auto& [key, value] : choice.settings.entries) map.Set(key, value);
  return map;
}

template <typename T, typename ToNode>
Node ListNode(const std::vector<T>& values, ToNode to_node) {
  Node list = Node::List();
  for (const T& value : values) list.items.push_back(to_node(value));
  return list;
}

Node RealNode(double value) { return Node::Scalar(FormatReal(value)); }

Node RangeNode(const IntRange& value) {
  if (value.low == value.high) return Node::Scalar(std::to_string(value.low));
  return ListNode(std::vector{value.low, value.high}, [](std::int64_t end) { return Node::Scalar(std::to_string(end)); });
}

// Turns each field into a node with a type and a range, for the two writers below.
class Writer : public FieldVisitor {
 protected:
  virtual void Field(const char* name, const char* type, Node value, const std::string& range, const char* help) = 0;

  void Bool(const char* name, bool& value, const char* help) override {
    Field(name, "true/false", Node::Scalar(value ? "true" : "false"), "", help);
  }
  void Integer(const char* name, std::int64_t& value, const char* help, Between range) override {
    Field(name, "whole", Node::Scalar(std::to_string(value)), RangeOfIntegers(range, RangeForm::kTable), help);
  }
  void Unsigned(const char* name, std::uint64_t& value, const char* help) override {
    Field(name, "whole", Node::Scalar(std::to_string(value)), ">= 0", help);
  }
  void Real(const char* name, double& value, const char* help, Between range) override {
    Field(name, "number", RealNode(value), RangeOfReals(range, RangeForm::kTable), help);
  }
  void Text(const char* name, std::string& value, const char* help, const OneOf* allowed) override {
    std::string words;
    if (allowed) {
      for (const std::string& word : allowed->words) words += (words.empty() ? "" : "|") + word;
    }
    Field(name, "text", TextNode(value), words, help);
  }
  void Range(const char* name, IntRange& value, const char* help, Between range) override {
    Field(name, "range", RangeNode(value), RangeOfIntegers(range, RangeForm::kTable), help);
  }
  void Texts(const char* name, std::vector<std::string>& value, const char* help) override {
    Field(name, "texts", ListNode(value, TextNode), "", help);
  }
  void Doubles(const char* name, std::vector<double>& value, const char* help, Between range) override {
    Field(name, "numbers", ListNode(value, RealNode), RangeOfReals(range, RangeForm::kTable), help);
  }
  void OneChoice(const char* name, Choice& value, const char* help) override {
    Field(name, "choice", value.name.empty() ? Node() : ChoiceNode(value), "", help);
  }
  void Choices(const char* name, std::vector<Choice>& value, const char* help) override {
    Field(name, "choices", ListNode(value, ChoiceNode), "", help);
  }
  void Raw(const char* name, Node& value, const char* help) override { Field(name, "any", value, "", help); }
};

class Dumper : public Writer {
 public:
  Node map = Node::Map();

 protected:
  void Field(const char* name, const char* type, Node value, const std::string&, const char*) override {
    // A choice that was never made has nothing to write.
    if (std::string_view(type) == "choice" && value.kind == Node::Kind::kNull) return;
    map.Set(name, std::move(value));
  }
  void Nested(const char* name, const char*, const Section& section) override {
    Dumper inner;
    section.visit(inner);
    map.Set(name, std::move(inner.map));
  }
  void Optional(const char* name, const char* help, const Maybe& maybe, const Section& section) override {
    if (maybe.present) return Nested(name, help, section);
    map.Set(name, Node());
  }
};

class Describer : public Writer {
 public:
  std::string Table() const {
    std::array<std::size_t, 4> widths{};
    for (const Row& row : rows_) {
      for (std::size_t i = 0; i < widths.size() && row.cells.size() > 2; ++i) widths[i] = std::max(widths[i], row.cells[i].size());
    }
    std::string table;
    for (const Row& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.cells.size(); ++i) {
        line += row.cells[i];
        const std::size_t width = i < widths.size() ? widths[i] : 0;
        line.append(width > row.cells[i].size() ? width - row.cells[i].size() : 0, ' ');
        line += "  ";
      }
      line.erase(line.find_last_not_of(' ') + 1);
      table += line + "\n";
    }
    return table;
  }

 protected:
  struct Row {
    std::vector<std::string> cells;
  };

  void Field(const char* name, const char* type, Node value, const std::string& range, const char* help) override {
    const std::string text = value.kind == Node::Kind::kNull ? "-" : OneLineYaml(value);
    rows_.push_back({{Margin() + name, type, Shortened(text, 32), range, help}});
  }
  void Nested(const char* name, const char* help, const Section& section) override { Heading(name, help, section); }
  void Optional(const char* name, const char* help, const Maybe& maybe, const Section& section) override {
    const bool made = !maybe.present;
    if (made) maybe.make();
    Heading(name, std::string(help) + " (may be left out)", section);
    if (made) maybe.drop();
  }

 private:
  std::string Margin() const { return std::string(2 * depth_, ' '); }
  void Heading(const char* name, const std::string& help, const Section& section) {
    rows_.push_back({{Margin() + name + ":", help}});
    ++depth_;
    section.visit(*this);
    --depth_;
  }

  std::vector<Row> rows_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string RangeOfIntegers(Between range, RangeForm form) {
  const double low = std::ceil(range.low);
  const double high = std::floor(range.high);
  const bool has_low = low > -0x1p63;
  const bool has_high = high < 0x1p63;
  const auto write = [](double end) { return std::to_string(static_cast<std::int64_t>(end)); };
  if (!has_low && !has_high && form == RangeForm::kSentence) return "from -9223372036854775808 to 9223372036854775807";
  return WriteRange(has_low, has_high, has_low ? write(low) : "", has_high ? write(high) : "", form);
}

std::string RangeOfReals(Between range, RangeForm form) {
  return WriteRange(std::isfinite(range.low), std::isfinite(range.high), FormatReal(range.low), FormatReal(range.high), form);
}

Node DumpFields(const std::function<void(FieldVisitor&)>& visit) {
  Dumper dumper;
  visit(dumper);
  return std::move(dumper.map);
}

std::string DescribeFields(const std::function<void(FieldVisitor&)>& visit) {
  Describer describer;
  visit(describer);
  return describer.Table();
}

}  // namespace cogent
