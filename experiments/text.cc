#include "experiments/text.h"

#include <cstdint>

#include <unicode/utf8.h>

namespace cogent {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Calls visit(code point or negative, its bytes) for each character or broken part.
template <typename Visit>
void ForEachCharacter(std::string_view text, Visit visit) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const std::int64_t size = static_cast<std::int64_t>(text.size());
  for (std::int64_t i = 0; i < size;) {
    const std::int64_t start = i;
    UChar32 c = 0;
    U8_NEXT(bytes, i, size, c);
    visit(c, text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(i - start)));
  }
}

bool IsControl(UChar32 c) {
  return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0);
}

}  // namespace

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(text,
                   [&](UChar32 c, std::string_view bytes) { out += c < 0 ? kReplacement : bytes; });
  return out;
}

std::string EscapeMarkup(std::string_view text, std::size_t max_bytes) {
  std::string out;
  std::size_t seen = 0;
  bool cut = false;
  ForEachCharacter(text, [&](UChar32 c, std::string_view bytes) {
    seen += bytes.size();
    if (seen > max_bytes) {
      cut = true;
      return;
    }
    if (c < 0 || IsControl(c)) {
      out += kReplacement;
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += bytes;
    }
  });
  return cut ? out + " ..." : out;
}

std::string ForTerminal(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
    shown += control ? "\xEF\xBF\xBD" : std::string(1, c);
  }
  return shown;
}

}  // namespace cogent
