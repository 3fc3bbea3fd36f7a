#include "policies/tokenizer_normalize.h"

#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"

namespace cogent {
namespace {

// Combining marks in canonical order. ICU moves each by itself to its place, so a long run out of order would take quadratic time; in
// order they are the same text for every form.
std::string InOrder(const icu::Normalizer2& decompose, const std::string& text) {
  std::string out;
  std::size_t done = 0;
  icu::UnicodeString parts;
  std::vector<UChar32> run;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    run.clear();
    while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0xCC) {  // U+0300 is the first mark
      const Utf8Char c = ReadUtf8(std::string_view(text).substr(at));
      const auto code = static_cast<UChar32>(c.code_point);
      if (decompose.hasBoundaryBefore(code)) break;
      if (decompose.getDecomposition(code, parts)) {
        for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) run.push_back(parts.char32At(i));
      } else {
        run.push_back(code);
      }
      at += c.length;
    }
    if (at == begin) {
      do ++at;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
      continue;
    }
    const auto lower = [&](UChar32 a, UChar32 b) { return decompose.getCombiningClass(a) < decompose.getCombiningClass(b); };
    for (auto part = run.begin(); part != run.end();) {
      const auto end = std::find_if(part, run.end(), [&](UChar32 c) { return decompose.getCombiningClass(c) == 0; });
      std::stable_sort(part, end, lower);
      part = std::find_if(end, run.end(), [&](UChar32 c) { return decompose.getCombiningClass(c) != 0; });
    }
    out.append(text, done, begin - done);
    icu::UnicodeString::fromUTF32(run.data(), static_cast<std::int32_t>(run.size())).toUTF8String(out);
    done = at;
  }
  return done == 0 ? text : out.append(text, done);
}

std::string ToForm(const std::string& form, const std::string& given) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form == "NFC"    ? icu::Normalizer2::getNFCInstance(status)
                                       : form == "NFD"  ? icu::Normalizer2::getNFDInstance(status)
                                       : form == "NFKC" ? icu::Normalizer2::getNFKCInstance(status)
                                                        : icu::Normalizer2::getNFKDInstance(status);
  const icu::Normalizer2* decompose = form.starts_with("NFK") ? icu::Normalizer2::getNFKDInstance(status) : icu::Normalizer2::getNFDInstance(status);
  Check(U_SUCCESS(status) != 0, "ICU lacks its normalization data");
  const std::string text = InOrder(*decompose, given);
  if (normalizer->isNormalizedUTF8(text, status) && U_SUCCESS(status)) return text;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  status = U_ZERO_ERROR;
  normalizer->normalizeUTF8(0, text, sink, nullptr, status);
  Check(U_SUCCESS(status) != 0, "a text could not be normalized");
  return out;
}

std::string ToLower(const std::string& text) {
  // Each character by itself, as `tokenizers` does: a final sigma is a sigma.
  const icu::UnicodeString wide = icu::UnicodeString::fromUTF8(text);
  std::string out;
  for (std::int32_t at = 0; at < wide.length(); at = wide.moveIndex32(at, 1)) {
    icu::UnicodeString(wide.char32At(at)).toLower(icu::Locale::getRoot()).toUTF8String(out);
  }
  return out;
}

std::string Strip(std::string_view text, const StripSpaces& sides) {
  while (sides.left && !text.empty()) {
    const Utf8Char c = ReadUtf8(text);
    if (!IsSpace(c.code_point)) break;
    text.remove_prefix(c.length);
  }
  while (sides.right && !text.empty()) {
    const Utf8Char c = LastUtf8(text);
    if (!IsSpace(c.code_point)) break;
    text.remove_suffix(c.length);
  }
  return std::string(text);
}

}  // namespace

bool IsUnicodeForm(std::string_view name) { return name == "NFC" || name == "NFD" || name == "NFKC" || name == "NFKD"; }

std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content) {
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t found = text.find(pattern, at);
    out += text.substr(at, found - at);
    if (found == std::string_view::npos) return out;
    out += content;
    at = found + pattern.size();
  }
}

std::string Normalize(const std::vector<Normalizer>& normalizers, std::string_view piece) {
  std::string text(piece);
  for (const Normalizer& one : normalizers) {
    if (const auto* form = std::get_if<UnicodeForm>(&one)) text = ToForm(form->form, text);
    else if (const auto* prepend = std::get_if<Prepend>(&one)) text = text.empty() ? text : prepend->text + text;
    else if (const auto* replace = std::get_if<Replace>(&one)) text = ReplaceAll(text, replace->pattern, replace->content);
    else if (const auto* strip = std::get_if<StripSpaces>(&one)) text = Strip(text, *strip);
    else text = ToLower(text);
  }
  return text;
}

}  // namespace cogent
