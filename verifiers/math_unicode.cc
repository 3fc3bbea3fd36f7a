#include "verifiers/math_unicode.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

namespace cogent {
namespace {

struct Sign {
  UChar32 code;
  const char* latex;
};

// In the order of their codes.
constexpr Sign kSigns[] = {
    {0xa2, "\u00a2"},
    {0xa3, "\u00a3"},
    {0xa5, "\u00a5"},
    {0xac, "\\neg "},
    {0xb0, "^\\circ "},
    {0xb1, "\\pm "},
    {0xb4, "'"},
    {0xb7, "\\cdot "},
    {0xbc, "\\frac{1}{4}"},
    {0xbd, "\\frac{1}{2}"},
    {0xbe, "\\frac{3}{4}"},
    {0xd7, "\\times "},
    {0xf7, "\\div "},
    {0x391, "A"},
    {0x392, "B"},
    {0x393, "\\Gamma "},
    {0x394, "\\Delta "},
    {0x398, "\\Theta "},
    {0x39b, "\\Lambda "},
    {0x3a0, "\\Pi "},
    {0x3a3, "\\Sigma "},
    {0x3a6, "\\Phi "},
    {0x3a8, "\\Psi "},
    {0x3a9, "\\Omega "},
    {0x3b1, "\\alpha "},
    {0x3b2, "\\beta "},
    {0x3b3, "\\gamma "},
    {0x3b4, "\\delta "},
    {0x3b5, "\\epsilon "},
    {0x3b6, "\\zeta "},
    {0x3b7, "\\eta "},
    {0x3b8, "\\theta "},
    {0x3b9, "\\iota "},
    {0x3ba, "\\kappa "},
    {0x3bb, "\\lambda "},
    {0x3bc, "\\mu "},
    {0x3bd, "\\nu "},
    {0x3be, "\\xi "},
    {0x3c0, "\\pi "},
    {0x3c1, "\\rho "},
    {0x3c3, "\\sigma "},
    {0x3c4, "\\tau "},
    {0x3c5, "\\upsilon "},
    {0x3c6, "\\phi "},
    {0x3c7, "\\chi "},
    {0x3c8, "\\psi "},
    {0x3c9, "\\omega "},
    {0x3d5, "\\phi "},
    {0x3f5, "\\epsilon "},
    {0x2010, "-"},
    {0x2011, "-"},
    {0x2012, "-"},
    {0x2013, "-"},
    {0x2014, "-"},
    {0x2016, "\\|"},
    {0x2018, "'"},
    {0x2019, "'"},
    {0x201c, "\""},
    {0x201d, "\""},
    {0x2026, "\\ldots "},
    {0x2032, "'"},
    {0x2033, "''"},
    {0x2044, "/"},
    {0x2061, ""},
    {0x2062, ""},
    {0x2063, ","},
    {0x20ac, "\u20ac"},
    {0x20b9, "\u20b9"},
    {0x20bd, "\u20bd"},
    {0x2102, "\\mathbb{C}"},
    {0x2113, "\\ell "},
    {0x2115, "\\mathbb{N}"},
    {0x211a, "\\mathbb{Q}"},
    {0x211d, "\\mathbb{R}"},
    {0x2124, "\\mathbb{Z}"},
    {0x2126, "\u03a9"},
    {0x2153, "\\frac{1}{3}"},
    {0x2154, "\\frac{2}{3}"},
    {0x2155, "\\frac{1}{5}"},
    {0x2156, "\\frac{2}{5}"},
    {0x2157, "\\frac{3}{5}"},
    {0x2158, "\\frac{4}{5}"},
    {0x2159, "\\frac{1}{6}"},
    {0x215a, "\\frac{5}{6}"},
    {0x215b, "\\frac{1}{8}"},
    {0x215c, "\\frac{3}{8}"},
    {0x215d, "\\frac{5}{8}"},
    {0x215e, "\\frac{7}{8}"},
    {0x2190, "\\leftarrow "},
    {0x2192, "\\to "},
    {0x21d2, "\\Rightarrow "},
    {0x21d4, "\\Leftrightarrow "},
    {0x2205, "\\emptyset "},
    {0x2206, "\\Delta "},
    {0x2208, "\\in "},
    {0x2209, "\\notin "},
    {0x220f, "\\prod "},
    {0x2211, "\\sum "},
    {0x2212, "-"},
    {0x2213, "\\mp "},
    {0x2215, "/"},
    {0x2216, "\\setminus "},
    {0x2217, "*"},
    {0x2219, "\\cdot "},
    {0x221a, "\\sqrt "},
    {0x221b, "\\sqrt[3]"},
    {0x221c, "\\sqrt[4]"},
    {0x221e, "\\infty "},
    {0x2220, "\\angle "},
    {0x2223, "\\mid "},
    {0x2227, "\\land "},
    {0x2228, "\\lor "},
    {0x2229, "\\cap "},
    {0x222a, "\\cup "},
    {0x222b, "\\int "},
    {0x2236, ":"},
    {0x223c, "\\sim "},
    {0x2245, "\\cong "},
    {0x2248, "\\approx "},
    {0x2260, "\\ne "},
    {0x2261, "\\equiv "},
    {0x2264, "\\le "},
    {0x2265, "\\ge "},
    {0x2282, "\\subset "},
    {0x2286, "\\subseteq "},
    {0x22c5, "\\cdot "},
    {0x2308, "\\lceil "},
    {0x2309, "\\rceil "},
    {0x230a, "\\lfloor "},
    {0x230b, "\\rfloor "},
    {0x25b3, "\\triangle "},
    {0x27e8, "\\langle "},
    {0x27e9, "\\rangle "},
    {0x2a7d, "\\le "},
    {0x2a7e, "\\ge "},
    {0x3001, ","},
    {0x3002, "."},
    {0x3008, "\\langle "},
    {0x3009, "\\rangle "},
    {0x3010, "["},
    {0x3011, "]"},
    {0x66a, "%"},
    {0x66b, "."},
    {0x66c, ","},
};

const char* LatexOf(UChar32 code) {
  // The three Arabic signs stand last; the rest is sorted.
  constexpr std::size_t kSorted = std::size(kSigns) - 3;
  const Sign* end = kSigns + kSorted;
  const Sign* found =
      std::lower_bound(kSigns, end, code, [](const Sign& s, UChar32 c) { return s.code < c; });
  if (found != end && found->code == code) return found->latex;
  for (const Sign* sign = end; sign != std::end(kSigns); ++sign) {
    if (sign->code == code) return sign->latex;
  }
  return nullptr;
}

// The plain sign that a raised or lowered one stands for; 0 for others.
char Raised(UChar32 c) {
  if (c == 0xb9) return '1';
  if (c == 0xb2 || c == 0xb3) return static_cast<char>('0' + (c - 0xb0));
  if (c == 0x2070 || (c >= 0x2074 && c <= 0x2079)) return static_cast<char>('0' + (c - 0x2070));
  switch (c) {
    case 0x207a:
      return '+';
    case 0x207b:
      return '-';
    case 0x207d:
      return '(';
    case 0x207e:
      return ')';
    case 0x207f:
      return 'n';
    case 0x2071:
      return 'i';
    case 0x02e3:
      return 'x';
    default:
      return 0;
  }
}

char Lowered(UChar32 c) {
  if (c >= 0x2080 && c <= 0x2089) return static_cast<char>('0' + (c - 0x2080));
  switch (c) {
    case 0x208a:
      return '+';
    case 0x208b:
      return '-';
    case 0x2099:
      return 'n';
    case 0x2096:
      return 'k';
    default:
      return 0;
  }
}

// Bold, italic, script.. letters of mathematics (U+1D400 on) as plain ones; 0 for others.
char StyledLetter(UChar32 c) {
  if (c < 0x1d400 || c > 0x1d6a3) return 0;
  const int index = (c - 0x1d400) % 52;
  return static_cast<char>(index < 26 ? 'A' + index : 'a' + index - 26);
}

bool IsThinSpace(UChar32 c) {
  return c == 0xa0 || c == 0x2009 || c == 0x202f || c == 0x2008 || c == 0x200a;
}

class PlainWriter {
 public:
  explicit PlainWriter(std::string_view text) : text_(text) { plain_.text.reserve(text.size() + 16); }

  Plain Write() {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text_.data());
    const auto size = static_cast<std::int64_t>(text_.size());
    for (std::int64_t at = 0; at < size;) {
      const std::int64_t begin = at;
      UChar32 code = 0;
      U8_NEXT(bytes, at, size, code);
      if (code < 0) {
        plain_.valid = false;
        plain_.text += '\x01';
      } else {
        Put(code,
            text_.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(at - begin)));
      }
    }
    Shift(0);
    return std::move(plain_);
  }

 private:
  // Opens or closes the braces round a run of raised ('^') or lowered ('_') signs.
  void Shift(char shift) {
    if (shift_ == shift) return;
    if (shift_ != 0) plain_.text += '}';
    if (shift != 0) (plain_.text += shift) += '{';
    shift_ = shift;
  }

  void Put(UChar32 code, std::string_view bytes) {
    const char raised = code < 0x80 ? '\0' : Raised(code);
    const char lowered = code < 0x80 || raised != 0 ? '\0' : Lowered(code);
    if (raised != 0 || lowered != 0) {
      Shift(raised != 0 ? '^' : '_');
      plain_.text += raised != 0 ? raised : lowered;
      return;
    }
    Shift(0);
    std::string& out = plain_.text;
    if (code < 0x80) {
      out += (code < 0x20 && code != '\n' && code != '\t' && code != '\r') ? ' ' : bytes[0];
    } else if (code >= 0xff01 && code <= 0xff5e) {
      if (code >= 0xff10 && code <= 0xff19) plain_.foreign = true;
      out += static_cast<char>(code - 0xff01 + '!');
    } else if (const char* latex = LatexOf(code)) {
      out += latex;
    } else if (code == 0x305) {  // a line over the digit before it
      if (!out.empty() && out.back() >= '0' && out.back() <= '9') {
        const char digit = out.back();
        out.pop_back();
        out += std::string("\\overline{") + digit + "}";
      }
    } else if (const char letter = StyledLetter(code)) {
      out += letter;
    } else if (IsThinSpace(code)) {
      out += "\\,";
    } else if (u_isUWhiteSpace(code)) {
      out += ' ';
    } else if (u_charType(code) == U_DECIMAL_DIGIT_NUMBER) {
      plain_.foreign = true;
      out += static_cast<char>('0' + u_charDigitValue(code));
    } else if (u_charType(code) == U_FORMAT_CHAR ||
               u_hasBinaryProperty(code, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) {
      plain_.foreign = true;
    } else {
      out += bytes;
    }
  }

  std::string_view text_;
  Plain plain_;
  char shift_ = 0;
};

}  // namespace

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

Plain PlainMath(std::string_view text) { return PlainWriter(text).Write(); }

}  // namespace cogent
