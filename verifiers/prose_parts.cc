#include "verifiers/prose_parts.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>
#include <string>

#include "core/ascii.h"

namespace cogent {
namespace {

bool IsAsciiWordByte(char c) { return IsAsciiLetter(c) || IsDigit(c); }

template <std::size_t N>
bool IsOneOf(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 61> kFileEndings = {
    "txt",  "csv", "tsv", "json", "jsonl", "yaml", "yml", "toml", "ini", "cfg",  "conf",
    "log",  "md",  "rst", "py",   "ipynb", "c",    "cc",  "cpp",  "cxx", "h",    "hh",
    "hpp",  "rs",  "go",  "java", "kt",    "js",   "ts",  "jsx",  "tsx", "html", "htm",
    "css",  "xml", "svg", "sql",  "sh",    "bat",  "tex", "bib",  "pdf", "png",  "jpg",
    "jpeg", "gif", "bmp", "mp3",  "mp4",   "wav",  "zip", "tar",  "gz",  "exe",  "dll",
    "bin",  "dat", "doc", "docx", "xls",   "xlsx"};
constexpr std::array<std::string_view, 8> kDomains = {"com", "org", "net", "edu",
                                                      "gov", "io",  "ai",  "dev"};

// What stands behind the last dot, in lower case; empty without one or with more than five letters.
std::string Ending(std::string_view chunk) {
  const std::size_t dot = chunk.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || chunk.size() - dot > 6) return {};
  std::string ending(chunk.substr(dot + 1));
  for (char& c : ending) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return ending;
}

constexpr std::array<std::string_view, 28> kFunctions = {
    "sin",  "cos",  "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh",
    "cosh", "tanh", "log", "ln",  "lg",  "exp", "sqrt",   "gcd",    "lcm",    "mod",
    "max",  "min",  "lim", "det", "dim", "ker", "deg",    "arg"};
constexpr std::array<std::string_view, 16> kTextEnvironments = {
    "document", "itemize",   "enumerate",  "description", "quote",   "quotation",
    "center",   "flushleft", "flushright", "proof",       "theorem", "lemma",
    "abstract", "solution",  "corollary",  "definition"};

Script ScriptOf(UChar32 c) {
  UErrorCode status = U_ZERO_ERROR;
  switch (uscript_getScript(c, &status)) {
    case USCRIPT_LATIN:
      return Script::kLatin;
    case USCRIPT_CYRILLIC:
      return Script::kCyrillic;
    case USCRIPT_ARABIC:
      return Script::kArabic;
    case USCRIPT_DEVANAGARI:
      return Script::kDevanagari;
    case USCRIPT_HANGUL:
      return Script::kHangul;
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
      return Script::kHan;
    default:
      return Script::kOther;
  }
}

}  // namespace

bool IsAddress(std::string_view chunk) {
  while (!chunk.empty() &&
         std::string_view(".,;:!?)]}'\"").find(chunk.back()) != std::string_view::npos)
    chunk.remove_suffix(1);
  if (chunk.find("://") != std::string_view::npos || chunk.starts_with("www.") ||
      chunk.starts_with("mailto:"))
    return true;
  if (chunk.starts_with("./") || chunk.starts_with("../") || chunk.starts_with("~/")) return true;
  if (chunk.size() > 1 && chunk[0] == '/' && chunk.find('/', 1) != std::string_view::npos)
    return true;
  const std::size_t last_dot = chunk.rfind('.');
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    const bool inside = i > 0 && i + 1 < chunk.size();
    if (chunk[i] == '_' && inside && IsAsciiWordByte(chunk[i - 1]) && IsAsciiWordByte(chunk[i + 1]))
      return true;
    if (chunk[i] == '@' && i > 0 && last_dot != std::string_view::npos && last_dot > i) return true;
  }
  return IsOneOf(Ending(chunk), kFileEndings) ||
         IsOneOf(Ending(chunk.substr(0, chunk.find('/'))), kDomains);
}

bool IsFunctionName(std::string_view word) { return IsOneOf(word, kFunctions); }
bool IsTextEnvironment(std::string_view name) { return IsOneOf(name, kTextEnvironments); }

Letter Classify(std::int32_t c) {
  if (c < 0) return {};
  if (c >= 0x4E00 && c <= 0x9FFF) return {Script::kHan, true, false};
  const std::uint32_t kind = U_MASK(u_charType(c));
  const bool joiner = c == 0x200C || c == 0x200D || c == 0x00AD || c == 0x0640 || c == 0x30FC;
  if ((kind & U_GC_M_MASK) != 0 || joiner) return {Script::kOther, false, true};
  if ((kind & U_GC_L_MASK) == 0) return {};
  UErrorCode status = U_ZERO_ERROR;
  if (uscript_getScript(c, &status) == USCRIPT_COMMON) return {};  // letters of formulas
  return {ScriptOf(c), true, false};
}

Break BreakOf(std::int32_t c) {
  switch (c) {
    case '\n':
    case '.':
    case '!':
    case '?':
    case 0x3002:
    case 0xFF01:
    case 0xFF1F:
    case 0xFF0E:
    case 0x061F:
    case 0x06D4:
    case 0x0964:
    case 0x2026:
      return Break::kSentence;
    case ',':
    case ';':
    case ':':
    case '(':
    case ')':
    case '"':
    case 0xFF0C:
    case 0x3001:
    case 0xFF1B:
    case 0xFF1A:
    case 0x060C:
    case 0x061B:
    case 0x2014:
    case 0x2013:
    case 0x300C:
    case 0x300D:
    case 0x201C:
    case 0x201D:
    case 0xAB:
    case 0xBB:
    case 0xFF08:
    case 0xFF09:
      return Break::kClause;
    default:
      return Break::kNone;
  }
}

Operator OperatorOf(std::int32_t c) {
  if (c == '=' || c == '+' || c == '^') return Operator::kStrong;
  if (c < 0x80)
    return c > 0 && std::string_view("*/_<>-|%&").find(static_cast<char>(c)) !=
                        std::string_view::npos
               ? Operator::kWeak
               : Operator::kNone;
  const bool strong = (c >= 0x2190 && c <= 0x22FF) || c == 0xD7 || c == 0xF7 || c == 0xB1 ||
                      (c >= 0x2070 && c <= 0x209F) || c == 0xB2 || c == 0xB3;
  return strong ? Operator::kStrong : Operator::kNone;
}

Pairs::Pairs(std::string_view text) {
  std::vector<std::size_t> braces, environments;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') braces.push_back(i);
    if (text[i] == '}') Close(braces, i + 1);
    if (text[i] != '\\') continue;
    const std::string_view rest = text.substr(i + 1);
    if (rest.starts_with("begin{")) environments.push_back(i);
    if (rest.starts_with("end{"))
      Close(environments, i + 2 +
                              std::min<std::size_t>({rest.substr(0, kLongestName).find('}'),
                                                     kLongestName, rest.size() - 1}));
    // What is escaped opens and closes nothing.
    if (rest.starts_with("{") || rest.starts_with("}") || rest.starts_with("\\")) ++i;
  }
  std::sort(ends_.begin(), ends_.end());
}

std::size_t Pairs::End(std::size_t open) {
  while (next_ < ends_.size() && ends_[next_].first < open) ++next_;
  return next_ < ends_.size() && ends_[next_].first == open ? ends_[next_].second : kNever;
}

void Pairs::Close(std::vector<std::size_t>& open, std::size_t end) {
  if (open.empty()) return;
  ends_.emplace_back(open.back(), end);
  open.pop_back();
}

}  // namespace cogent
