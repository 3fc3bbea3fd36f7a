// The grammar of the mathematics verifier, a method for each rule. Included by math_parser*.cc
// only.
//
//   list      item { separator item }             separators: , ; "and" "or" \quad
//   item      sides { relation sides } [(mod m)]
//   sides     ratio { \cup ratio }                 also \cap, \setminus
//   ratio     sum { : sum }
//   sum       term { + term }                      also -, \pm, \mp
//   term      sign* factor { [* | /] factor } [unit]
//   factor    primary { ^ exponent | ! | % | degree }
//
// A rule returns null when the text is none of it, and then the whole parse fails: there is no
// backtracking, so the work is linear. Thread rule: one parser, one thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "verifiers/math_parser.h"

namespace cogent {

// Adds what stands for the token in names and in answers that are only text.
void AppendSpelling(const Lexeme& lexeme, std::string& text);

class MathParser {
 public:
  MathParser(std::span<Lexeme> tokens, const ParseOptions& options, MathTree& tree)
      : tokens_(tokens), options_(options), tree_(tree) {}
  // Null when the tokens are no answer.
  const MathNode* Run();

 private:
  using Nodes = std::pmr::vector<const MathNode*>;
  // Refuses what is nested too deep.
  struct Deeper {
    explicit Deeper(MathParser& parser) : depth(parser.depth_) { ++depth; }
    ~Deeper() { --depth; }
    // A bracket passes about eight rules.
    bool TooDeep() const { return depth > kMaxDepth * 8; }
    int& depth;
  };

  const Lexeme& Now(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool Sees(Token token) const { return Now().token == token; }
  bool SeesOpen(char symbol) const { return Sees(Token::kOpen) && Now().symbol == symbol; }
  bool SeesClose(char symbol) const { return Sees(Token::kClose) && Now().symbol == symbol; }
  bool Take(Token token) {
    if (!Sees(token)) return false;
    ++at_;
    return true;
  }
  bool SeesRun(std::size_t ahead = 0) const {
    return Now(ahead).token == Token::kLetters || Now(ahead).token == Token::kWord;
  }
  bool AtEnd() const;
  bool OneConditionFollows() const;

  // math_parser_list.cc: what stands above a sum.
  const MathNode* List();
  bool Separator(Joint& joint);
  const MathNode* Item();
  const MathNode* Congruence(const MathNode* statement, bool equivalence);
  const MathNode* Sides();
  const MathNode* Ratio();
  const MathNode* Group();
  const MathNode* Brace();
  const MathNode* WrittenSet();
  const MathNode* Bars();
  const MathNode* Environment();
  const MathNode* Determinant(const MathNode* matrix);
  const MathNode* Grouped(char open, char close, const MathNode* list);

  // math_parser_terms.cc: sums, products, powers.
  const MathNode* Sum();
  const MathNode* Term();
  const MathNode* MoreOfTerm(const MathNode* left);
  const MathNode* Signed();
  const MathNode* Factor();
  const MathNode* Powers(const MathNode* base);
  const MathNode* Exponent();
  bool StartsFactor() const;
  const MathNode* TimesPowerOfTen(const MathNode* left, const MathNode* right);
  const MathNode* Multiply(const MathNode* left, const MathNode* right);
  const MathNode* MakeNumber();
  const MathNode* NumberOf(const Lexeme& lexeme);
  std::string Glued(std::size_t& count) const;
  const MathNode* InBase();
  const MathNode* Mixed(const MathNode* whole);

  // math_parser_factors.cc: what a factor begins with.
  const MathNode* Primary();
  const MathNode* Fraction();
  const MathNode* Argument();
  const MathNode* Root(bool cube);
  const MathNode* Call();
  const MathNode* CallArgument();
  const MathNode* Over(Function function);
  const MathNode* Unknown();

  // math_parser_names.cc
  const MathNode* Letters();
  const MathNode* Words();
  const MathNode* Name(std::string name);
  std::string Subscript();
  const MathNode* Marked();

  // math_parser_units.cc
  bool SeesUnit() const;
  const MathNode* UnitBehind(const MathNode* value);
  const MathNode* Continued(const MathNode* quantity);
  std::optional<Unit> UnitAhead();
  std::optional<Unit> OneUnit();
  std::optional<Unit> PowerOfUnit(std::optional<Unit> unit);
  const MathNode* Label(const MathNode* value);
  const MathNode* CurrencyBefore();
  bool IsUnitRun(const Lexeme& lexeme) const;

  std::span<Lexeme> tokens_;
  ParseOptions options_;
  MathTree& tree_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int bars_ = 0;          // open | signs: the next one closes
  int no_ratio_ = 0;      // inside \{ x : .. \}
  int intervals_ = 0;     // inside ] or [: a bracket closes
  bool index_i_ = false;  // i is counted over, no imaginary unit
};

}  // namespace cogent
