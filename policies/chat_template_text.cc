// Texts as Python's methods have them.
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "policies/chat_template_value.h"
#include "policies/tokenizer_bytes.h"

namespace cogent::chat {
namespace {

icu::UnicodeString Wide(std::string_view text) { return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size()))); }

std::string Narrow(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

}  // namespace

bool IsPythonSpace(char32_t c) { return IsSpace(c) || (c >= 0x1C && c <= 0x1F); }

std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    const std::size_t size = ReadUtf8(text).length;
    all.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return all;
}

std::size_t CountCharacters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string Upper(std::string_view text) { return Narrow(Wide(text).toUpper(icu::Locale::getRoot())); }
std::string Lower(std::string_view text) { return Narrow(Wide(text).toLower(icu::Locale::getRoot())); }

std::string Capitalized(const std::string& text) {
  const std::size_t first = text.empty() ? 0 : ReadUtf8(text).length;
  return Upper(std::string_view(text).substr(0, first)) + Lower(std::string_view(text).substr(first));
}

std::string TitleMethod(const std::string& text) {
  std::string out;
  bool inside = false;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Char c = ReadUtf8(rest);
    const std::string_view one = rest.substr(0, c.length);
    out += inside ? Lower(one) : Upper(one);
    inside = u_hasBinaryProperty(static_cast<UChar32>(c.code_point), UCHAR_CASED) != 0;
    rest.remove_prefix(c.length);
  }
  return out;
}

// Jinja's own: words begin behind white space and - ( { [ <.
std::string TitleFilter(const std::string& text) {
  std::string out;
  bool begins = true;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Char c = ReadUtf8(rest);
    const std::string_view one = rest.substr(0, c.length);
    out += begins ? Upper(one) : Lower(one);
    begins = IsPythonSpace(c.code_point) || (c.code_point < 0x80 && std::string_view("-({[<").find(static_cast<char>(c.code_point)) != std::string_view::npos);
    rest.remove_prefix(c.length);
  }
  return out;
}

std::string Stripped(std::string_view text, const std::string* set, bool left, bool right) {
  std::vector<std::string> characters;
  if (set != nullptr) characters = Characters(*set);
  const auto goes = [&](const Utf8Char& c, std::string_view bytes) {
    return set == nullptr ? IsPythonSpace(c.code_point) : std::find(characters.begin(), characters.end(), bytes) != characters.end();
  };
  while (left && !text.empty()) {
    const Utf8Char c = ReadUtf8(text);
    if (!goes(c, text.substr(0, c.length))) break;
    text.remove_prefix(c.length);
  }
  while (right && !text.empty()) {
    const Utf8Char c = LastUtf8(text);
    if (!goes(c, text.substr(text.size() - c.length))) break;
    text.remove_suffix(c.length);
  }
  return std::string(text);
}

// An empty text is found before every character and at the end.
std::string Replaced(const std::string& text, const std::string& from, const std::string& to, std::int64_t count) {
  std::string out;
  for (std::size_t at = 0;; --count) {
    const std::size_t found = count == 0 ? std::string::npos : from.empty() ? at : text.find(from, at);
    out += text.substr(at, found - at);
    if (found == std::string::npos) return out;
    out += to;
    if (out.size() > kMostOutput) throw Refusal{"it makes a text of more than 16 MiB"};
    at = found + from.size();
    if (!from.empty()) continue;
    if (at == text.size()) return out;
    const std::size_t length = ReadUtf8(std::string_view(text).substr(at)).length;
    out += text.substr(at, length);
    at += length;
  }
}

std::vector<std::string> SplitText(const std::string& text, const std::string* mark, std::int64_t most, bool from_right) {
  std::vector<std::string> parts;
  const auto more = [&] { return most < 0 || static_cast<std::int64_t>(parts.size()) < most; };
  std::string_view rest = text;
  if (mark != nullptr) {
    for (std::size_t found; more() && (found = from_right ? rest.rfind(*mark) : rest.find(*mark)) != std::string_view::npos;) {
      parts.emplace_back(from_right ? rest.substr(found + mark->size()) : rest.substr(0, found));
      if (from_right) rest = rest.substr(0, found);
      else rest.remove_prefix(found + mark->size());
    }
    parts.emplace_back(rest);
  } else {
    const auto trim = [&](bool right) {
      while (!rest.empty()) {
        const Utf8Char c = right ? LastUtf8(rest) : ReadUtf8(rest);
        if (!IsPythonSpace(c.code_point)) return;
        if (right) rest.remove_suffix(c.length);
        else rest.remove_prefix(c.length);
      }
    };
    for (trim(from_right); !rest.empty() && more(); trim(from_right)) {
      std::size_t size = 0;
      while (size < rest.size()) {
        const std::string_view other = from_right ? rest.substr(0, rest.size() - size) : rest.substr(size);
        const Utf8Char c = from_right ? LastUtf8(other) : ReadUtf8(other);
        if (IsPythonSpace(c.code_point)) break;
        size += c.length;
      }
      parts.emplace_back(from_right ? rest.substr(rest.size() - size) : rest.substr(0, size));
      if (from_right) rest.remove_suffix(size);
      else rest.remove_prefix(size);
    }
    if (!rest.empty()) parts.emplace_back(rest);
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> SplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = ReadUtf8(text.substr(at));
    const std::size_t line_end = at;
    at += c.length;
    const bool ends = (c.code_point >= 0x0A && c.code_point <= 0x0D) || (c.code_point >= 0x1C && c.code_point <= 0x1E) || c.code_point == 0x85 ||
                      c.code_point == 0x2028 || c.code_point == 0x2029;
    if (!ends) continue;
    if (c.code_point == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(text.substr(begin, (keep_ends ? at : line_end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string ReprText(const std::string& text) {
  const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  const auto hex = [&](const char* mark, char32_t c, int digits) {
    out += mark;
    for (int i = digits - 1; i >= 0; --i) out += "0123456789abcdef"[(c >> (4 * i)) & 15];
  };
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Char c = ReadUtf8(rest);
    const char32_t code = c.code_point;
    const auto type = static_cast<UCharCategory>(u_charType(static_cast<UChar32>(code)));
    const bool hidden = code != ' ' && (type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || type == U_SURROGATE || type == U_PRIVATE_USE_CHAR || type == U_UNASSIGNED ||
                                        type == U_LINE_SEPARATOR || type == U_PARAGRAPH_SEPARATOR || type == U_SPACE_SEPARATOR);
    if (code == '\n') out += "\\n";
    else if (code == '\t') out += "\\t";
    else if (code == '\r') out += "\\r";
    else if (code == '\\' || code == static_cast<char32_t>(quote)) (out += '\\') += static_cast<char>(code);
    else if (!hidden) out += rest.substr(0, c.length);
    else if (code < 0x100) hex("\\x", code, 2);
    else if (code < 0x10000) hex("\\u", code, 4);
    else hex("\\U", code, 8);
    rest.remove_prefix(c.length);
  }
  return out + quote;
}

}  // namespace cogent::chat
