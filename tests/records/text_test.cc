#include "experiments/text.h"

#include <gtest/gtest.h>

namespace cogent {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

TEST(ToValidUtf8, KeepsWhatIsWhole) {
  const std::string text = "a \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \n";
  EXPECT_EQ(ToValidUtf8(text), text);
}

TEST(ToValidUtf8, ReplacesEachBrokenPartOnce) {
  EXPECT_EQ(ToValidUtf8("a\xFF"
                        "b"),
            "a" + kBad + "b");
  EXPECT_EQ(ToValidUtf8("\xF0\x9F\x98"), kBad);  // cut short: one part
  EXPECT_EQ(ToValidUtf8("\xE2\x82"
                        "x"),
            kBad + "x");
  EXPECT_EQ(ToValidUtf8("\xC0\xAF"), kBad + kBad);                        // overlong
  EXPECT_EQ(ToValidUtf8("\xED\xA0\x80"), kBad + kBad + kBad);             // a surrogate
  EXPECT_EQ(ToValidUtf8("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad);  // above U+10FFFF
}

TEST(EscapeMarkup, LeavesNoMarkupAndNoControls) {
  EXPECT_EQ(EscapeMarkup("<b a='1'> & \"x\""), "&lt;b a=&#39;1&#39;&gt; &amp; &quot;x&quot;");
  EXPECT_EQ(EscapeMarkup(std::string("a\0\x1B[31m\n\t", 9)), "a" + kBad + kBad + "[31m\n\t");
  EXPECT_EQ(EscapeMarkup("\xFF"), kBad);
}

TEST(EscapeMarkup, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(EscapeMarkup("ab\xC3\xA9zz", 3), "ab ...");
  EXPECT_EQ(EscapeMarkup("ab\xC3\xA9zz", 4), "ab\xC3\xA9 ...");
  EXPECT_EQ(EscapeMarkup("abc", 3), "abc");
}

}  // namespace
}  // namespace cogent
