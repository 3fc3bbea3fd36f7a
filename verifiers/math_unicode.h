// Letters and signs of every alphabet to the plain ones that answers are read in. Internal to the
// mathematics verifier.
//
//   PlainMath("½ × ٥²")->text == "\\frac{1}{2} \\times 5^{2}"
//
// Invisible and direction-changing characters go, digits of any script become 0-9, signs of
// mathematics become LaTeX. Other letters stay. Linear time. Thread rule: free functions.
#pragma once

#include <string>
#include <string_view>

namespace cogent {

struct Plain {
  std::string text;
  bool valid = true;     // the text was UTF-8
  bool foreign = false;  // it held digits other than 0-9, or characters that nobody can see
};

bool IsAscii(std::string_view text);
Plain PlainMath(std::string_view text);

}  // namespace cogent
