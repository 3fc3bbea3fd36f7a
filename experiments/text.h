// Text from a model on its way into files: always UTF-8, never markup.
//
// A completion may hold anything: broken UTF-8, control characters, </script>.
//
//   ToValidUtf8("a\xFF" "b")      // "a\xEF\xBF\xBD" "b"
//   EscapeMarkup("<b> & \"x\"")   // "&lt;b&gt; &amp; &quot;x&quot;"
//
// Thread rule: free functions.
#pragma once

#include <string>
#include <string_view>

namespace cogent {

// U+FFFD in the place of each broken part (the maximal ones that the Unicode standard counts).
std::string ToValidUtf8(std::string_view text);

// A model's text for a terminal: control characters other than line break and tab become U+FFFD.
std::string ForTerminal(std::string_view text);

// For HTML and SVG text and attributes: & < > " ' are escaped; broken UTF-8 and control characters
// other than line break and tab become U+FFFD. Longer text is cut at `max_bytes`, at a character's
// border, with " ..." behind it.
std::string EscapeMarkup(std::string_view text, std::size_t max_bytes = std::string_view::npos);

}  // namespace cogent
