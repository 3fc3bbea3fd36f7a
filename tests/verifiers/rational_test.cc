// Exact rationals: reading, computing, and what must not be read.
#include "verifiers/rational.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>

#include "core/error.h"
#include "tests/support/same_draws.h"

namespace cogent {
namespace {

std::string Read(const std::string& text) {
  const auto value = Rational::Parse(text);
  return value ? value->ToString() : "nothing";
}
std::string ReadLast(const std::string& text) {
  const auto value = Rational::ParseLast(text);
  return value ? value->ToString() : "nothing";
}

TEST(Rational, ReadsEveryWayToWriteFourteen) {
  for (const char* text : {"14", "14.0", "28/2", "1.4e1", "+14", " 14 ", "014", "14.", "140E-1",
                           "-28/-2", "1.4e+1", "0.28/0.02", "28 / 2", "\n14\t"}) {
    EXPECT_EQ(Read(text), "14") << text;
  }
}

TEST(Rational, ReadsSignsAndFractions) {
  EXPECT_EQ(Read("-3/6"), "-1/2");
  EXPECT_EQ(Read("\u22127"), "-7");
  EXPECT_EQ(Read(".5"), "1/2");
  EXPECT_EQ(Read("-0"), "0");
  EXPECT_EQ(Read("1e-3"), "1/1000");
}

TEST(Rational, ReadsNothingFromWhatIsNoNumber) {
  for (const char* text : {"",     " ",     "-",     ".",         "/",     "e5",  "1/0",   "1/0.0",
                           "1//2", "1/2/3", "1 2",   "--1",       "1.2.3", "1e",  "1e1.5", "0x10",
                           "nan",  "inf",   "1,234", "14 apples", "1/",    "2+3", "\u2212"}) {
    EXPECT_EQ(Read(text), "nothing") << text;
  }
}

TEST(Rational, DoesNotReadNumbersThatAreTooLargeToBeMeant) {
  EXPECT_EQ(Read("1e999999999"), "nothing");
  EXPECT_EQ(Read("1e-999999999"), "nothing");
  EXPECT_EQ(Read("1e99999999999999999999999999"), "nothing");
  EXPECT_EQ(Read("1/1e999999999"), "nothing");
  EXPECT_EQ(Read(std::string(100000, '9')), "nothing");
  EXPECT_NE(Read(std::string(Rational::kMaxDigits, '9')), "nothing");
}

TEST(Rational, IsExact) {
  EXPECT_FALSE(*Rational::Parse("0.333333333333333333333") == *Rational::Parse("1/3"));
  EXPECT_FALSE(*Rational::Parse("1e-400") == Rational(0));
  EXPECT_TRUE(*Rational::Parse("0.1") + *Rational::Parse("0.2") == *Rational::Parse("0.3"));
  EXPECT_FALSE(*Rational::Parse("9007199254740993") == *Rational::Parse("9007199254740992"));
}

TEST(Rational, FindsTheLastNumber) {
  EXPECT_EQ(ReadLast("14"), "14");
  EXPECT_EQ(ReadLast("First 3, then the answer is 14."), "14");
  EXPECT_EQ(ReadLast("it is -7"), "-7");
  EXPECT_EQ(ReadLast("9-7"), "7");
  EXPECT_EQ(ReadLast("x = 1/2!"), "1/2");
  EXPECT_EQ(ReadLast("about 1e999999999"), "nothing");
  EXPECT_EQ(ReadLast("5 and then 1e-999999999"), "nothing");
  EXPECT_EQ(ReadLast("none at all"), "nothing");
}

TEST(Rational, DividingByZeroIsAMistakeOfTheCaller) {
  EXPECT_THROW(Rational(1) / Rational(0), InternalError);
}

// Parts of a rational number small enough for exact 64-bit checks.
using Parts = std::pair<int, int>;
Rational Make(Parts p) { return Rational(p.first) / Rational(p.second); }
rc::Gen<Parts> Fractions() {
  return rc::gen::pair(rc::gen::inRange(-100000, 100000), rc::gen::inRange(1, 100000));
}

RC_GTEST_PROP(RationalProperty, WhatIsWrittenIsReadBack, ()) {
  const Rational x = Make(*Fractions());
  RC_ASSERT(*Rational::Parse(x.ToString()) == x);
}

RC_GTEST_PROP(RationalProperty, EqualsCrossMultiplication, ()) {
  const Parts a = *Fractions();
  const Parts b = *Fractions();
  const auto left = static_cast<long long>(a.first) * b.second;
  const auto right = static_cast<long long>(b.first) * a.second;
  RC_ASSERT((Make(a) == Make(b)) == (left == right));
  RC_ASSERT((Make(a) < Make(b)) == (left < right));
}

RC_GTEST_PROP(RationalProperty, IsAField, ()) {
  const Rational a = Make(*Fractions());
  const Rational b = Make(*Fractions());
  const Rational c = Make(*Fractions());
  RC_ASSERT(a * (b + c) == a * b + a * c);
  RC_ASSERT((a - b) + b == a);
  RC_PRE(!b.IsZero());
  RC_ASSERT((a / b) * b == a);
}

RC_GTEST_PROP(RationalProperty, TheSameDecimalInEveryFormIsTheSameNumber, ()) {
  const int whole = *rc::gen::inRange(0, 1000000);
  const int shift = *rc::gen::inRange(0, 6);
  const std::string digits = std::to_string(1000000 + whole);
  const std::string point =
      digits.substr(0, digits.size() - shift) + "." + digits.substr(digits.size() - shift);
  const std::string scientific = digits + "e-" + std::to_string(shift);
  const std::string fraction = digits + "/1" + std::string(shift, '0');
  RC_ASSERT(*Rational::Parse(point) == *Rational::Parse(scientific));
  RC_ASSERT(*Rational::Parse(point) == *Rational::Parse(fraction));
}

RC_GTEST_PROP(RationalProperty, RandomBytesNeverThrow, (const std::string& text)) {
  Rational::Parse(text);
  Rational::ParseLast(text);
}

}  // namespace
}  // namespace cogent
