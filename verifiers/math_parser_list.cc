// Lists, statements, brackets and tables.
#include <algorithm>

#include "verifiers/math_parser_impl.h"
#include "verifiers/math_words.h"

namespace cogent {

const MathNode* MathParser::Run() {
  while (Sees(Token::kRelation) &&
         (Now().relation == Relation::kEqual || Now().relation == Relation::kApprox))
    ++at_;
  while (Take(Token::kSoftComma)) {
  }
  const MathNode* list = List();
  return list && Sees(Token::kEnd) && list->depth <= kMaxTreeDepth ? list : nullptr;
}

// "where x is real" and the like is beside the answer; several conditions are cases of one.
bool MathParser::OneConditionFollows() const {
  std::size_t begin = at_;
  while (tokens_[begin].token == Token::kComma || tokens_[begin].token == Token::kSoftComma)
    ++begin;
  const auto is_condition = [this](std::size_t at) {
    const Lexeme& token = tokens_[at];
    return (token.token == Token::kWord || token.token == Token::kLetters) &&
           IsCondition(token.text);
  };
  if (!is_condition(begin)) return false;
  for (std::size_t at = begin + 1; at < tokens_.size(); ++at) {
    if (is_condition(at)) return false;
  }
  return true;
}

bool MathParser::AtEnd() const {
  return Sees(Token::kEnd) || Sees(Token::kClose) || Sees(Token::kNextCell) ||
         Sees(Token::kNextRow) || Sees(Token::kEnvironmentEnd) || Sees(Token::kBar);
}

const MathNode* MathParser::List() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  Nodes items(tree_.memory());
  Joint joint = Joint::kComma;
  while (true) {
    const MathNode* item = Item();
    if (!item) return nullptr;
    if (Take(Token::kOver)) {
      const MathNode* below = Item();
      if (!below) return nullptr;
      item = tree_.Make(Kind::kQuotient, {item, below});
    } else if (Take(Token::kChoose)) {
      const MathNode* below = Item();
      if (!below) return nullptr;
      item = tree_.Call(Function::kBinomial, {item, below});
    }
    items.push_back(item);
    if (items.size() == 1 && depth_ == 1 && OneConditionFollows()) {
      at_ = tokens_.size() - 1;
      break;
    }
    if (!Separator(joint)) break;
  }
  if (items.size() == 1) return items.front();
  MathNode* list = tree_.Make(Kind::kList, items);
  list->joint = joint;
  return list;
}

// Takes all separators here; false when there is none, or when nothing follows them.
bool MathParser::Separator(Joint& joint) {
  bool any = false;
  while (true) {
    if (Sees(Token::kComma) || Sees(Token::kSoftComma)) {
      // stays what it was
    } else if (Sees(Token::kSemicolon)) {
      if (joint == Joint::kComma) joint = Joint::kSemicolon;
    } else if (SeesRun() && IsAnd(Now().text)) {
      joint = Joint::kAnd;
    } else if (SeesRun() && IsOr(Now().text)) {
      joint = Joint::kOr;
    } else if (SeesRun() && IsCondition(Now().text)) {
      if (joint == Joint::kComma) joint = Joint::kSemicolon;
    } else {
      break;
    }
    any = true;
    ++at_;
  }
  return any && !AtEnd();
}

const MathNode* MathParser::Item() {
  const MathNode* first = Sides();
  if (!first) return nullptr;
  if (!Sees(Token::kRelation)) return Congruence(first, false);
  Nodes sides(tree_.memory());
  sides.push_back(first);
  std::string relations;
  bool equivalence = false;
  while (Sees(Token::kRelation)) {
    relations += static_cast<char>(Now().relation);
    equivalence = equivalence || Now().text == "equiv";
    ++at_;
    const MathNode* side = Sides();
    if (!side) return nullptr;
    sides.push_back(side);
  }
  MathNode* statement = tree_.Make(Kind::kRelation, sides);
  statement->relations = tree_.Keep(relations);
  return Congruence(statement, equivalence);
}

// `(mod 7)` behind a statement or a value.
const MathNode* MathParser::Congruence(const MathNode* statement, bool equivalence) {
  const bool relation = statement->Is(Kind::kRelation) && statement->size() == 2;
  const bool bracket = SeesOpen('(') && Now(1).token == Token::kPmod;
  if (!bracket && !Sees(Token::kPmod)) {
    // x \equiv 3 \bmod 7 was read as a value on the right
    if (relation && equivalence && (*statement)[1].Is(Function::kModulo)) {
      return tree_.Make(Kind::kCongruence,
                        {&(*statement)[0], &(*statement)[1][0], &(*statement)[1][1]});
    }
    return statement;
  }
  at_ += bracket ? 2 : 1;
  const MathNode* modulus = bracket ? Sum() : SeesOpen('{') || SeesOpen('(') ? Primary() : Sum();
  if (!modulus) return nullptr;
  if (bracket) {
    if (!SeesClose(')')) return nullptr;
    ++at_;
  }
  if (relation) return tree_.Make(Kind::kCongruence, {&(*statement)[0], &(*statement)[1], modulus});
  if (statement->Is(Kind::kRelation)) return nullptr;
  return tree_.Make(Kind::kCongruence, {statement, modulus});
}

const MathNode* MathParser::Sides() {
  const MathNode* left = Ratio();
  while (left) {
    Kind kind = Kind::kUnion;
    if (Sees(Token::kIntersection)) {
      kind = Kind::kIntersection;
    } else if (Sees(Token::kDifference)) {
      kind = Kind::kDifference;
    } else if (!Sees(Token::kUnion)) {
      // (0,1) U (2,3)
      const bool letter = Sees(Token::kLetters) && Now().text == "U" &&
                          Now(1).token == Token::kOpen && at_ > 0 &&
                          tokens_[at_ - 1].token == Token::kClose;
      if (!letter) return left;
    }
    ++at_;
    const MathNode* right = Ratio();
    left = right ? tree_.Make(kind, {left, right}) : nullptr;
  }
  return nullptr;
}

const MathNode* MathParser::Ratio() {
  const MathNode* first = Sum();
  const auto colon = [this] {
    if (no_ratio_ > 0) return false;
    return Sees(Token::kColon) ||
           (SeesRun() && Now().text == "to" && Now(1).token == Token::kNumber);
  };
  if (!first || !colon()) return first;
  Nodes parts(tree_.memory());
  parts.push_back(first);
  while (colon()) {
    ++at_;
    const MathNode* part = Sum();
    if (!part) return nullptr;
    parts.push_back(part);
  }
  return tree_.Make(Kind::kRatio, parts);
}

const MathNode* MathParser::Grouped(char open, char close, const MathNode* list) {
  MathNode* group = list->Is(Kind::kList) ? tree_.Make(Kind::kGroup, list->children)
                                          : tree_.Make(Kind::kGroup, {list});
  group->open = open;
  group->close = close;
  group->joint = list->joint;
  return group;
}

// What an opening bracket of any kind begins.
const MathNode* MathParser::Group() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  const char open = Sees(Token::kClose) ? ']' : Now().symbol;
  if (open == '{') return Brace();
  if (open == 'S') return WrittenSet();
  ++at_;
  const int bars = bars_;
  const int no_ratio = no_ratio_;
  bars_ = 0;
  no_ratio_ = 0;
  const bool interval = open == '[' || open == ']';
  if (interval) ++intervals_;
  const MathNode* list = List();
  if (interval) --intervals_;
  bars_ = bars;
  no_ratio_ = no_ratio;
  if (!list) return nullptr;
  const bool reversed = interval && SeesOpen('[') && list->Is(Kind::kList);  // ]0,1[
  if (!Sees(Token::kClose) && !reversed) return nullptr;
  const char close = Now().symbol;
  ++at_;
  if (open == '|') return close == '|' ? tree_.Call(Function::kAbs, {list}) : nullptr;
  if (open == 'f' || open == 'c') {
    if (close != open || list->Is(Kind::kList)) return nullptr;
    return tree_.Call(open == 'f' ? Function::kFloor : Function::kCeiling, {list});
  }
  const bool several = list->Is(Kind::kList);
  if (!several && list->Is(Kind::kMatrix)) return list;
  if (open == '(' && close == ')') return several ? Grouped('(', ')', list) : list;
  if (open == '<') return close == '<' && several ? Grouped('<', '<', list) : nullptr;
  if (open == '[' && close == ']') return Grouped('[', ']', list);
  if (!several || list->size() != 2) return nullptr;
  const bool left_open = open == '(' || open == ']';
  const bool right_open = close == ')' || close == '[';
  return Grouped(left_open ? '(' : '[', right_open ? ')' : ']', list);
}

// TeX's own braces, which only group.
const MathNode* MathParser::Brace() {
  ++at_;
  if (SeesClose('}')) {
    ++at_;
    return StartsFactor() ? Primary() : nullptr;
  }
  const int bars = bars_;
  const int intervals = intervals_;
  bars_ = intervals_ = 0;
  const MathNode* list = List();
  bars_ = bars;
  intervals_ = intervals;
  if (!list || !SeesClose('}')) return nullptr;
  ++at_;
  return list;
}

const MathNode* MathParser::WrittenSet() {
  ++at_;
  if (SeesClose('S')) {
    ++at_;
    return tree_.Named(Kind::kNamedSet, "empty");
  }
  const int bars = bars_;
  const int intervals = intervals_;
  const bool builder = !Sees(Token::kBar);
  bars_ = builder ? 1 : 0;
  intervals_ = 0;
  ++no_ratio_;
  const MathNode* list = List();
  --no_ratio_;
  const MathNode* condition = nullptr;
  const bool such_that = list && builder && (Sees(Token::kBar) || Sees(Token::kColon));
  bars_ = 0;
  if (such_that) {
    ++at_;
    condition = List();
  }
  bars_ = bars;
  intervals_ = intervals;
  if (!list || !SeesClose('S') || such_that != (condition != nullptr)) return nullptr;
  ++at_;
  if (such_that) return tree_.Make(Kind::kSuchThat, {list, condition});
  return list->Is(Kind::kList) ? tree_.Make(Kind::kSet, list->children)
                               : tree_.Make(Kind::kSet, {list});
}

// |x|
const MathNode* MathParser::Bars() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  ++at_;
  ++bars_;
  const MathNode* inner = Sum();
  --bars_;
  if (!inner || !Take(Token::kBar)) return nullptr;
  return inner->Is(Kind::kMatrix) ? Determinant(inner) : tree_.Call(Function::kAbs, {inner});
}

const MathNode* MathParser::Environment() {
  const Deeper deeper(*this);
  if (deeper.TooDeep()) return nullptr;
  const std::string_view name = Now().text;
  ++at_;
  Nodes cells(tree_.memory());
  std::size_t columns = 0;
  std::size_t in_row = 0;
  const auto end_row = [&] {
    if (columns == 0) columns = in_row;
    const bool equal = in_row == columns;
    in_row = 0;
    return equal;
  };
  while (!Sees(Token::kEnvironmentEnd)) {
    const MathNode* cell = name == "cases" ? List() : Item();
    if (!cell) return nullptr;
    cells.push_back(cell);
    ++in_row;
    while (name == "cases" && (Take(Token::kComma) || Take(Token::kSoftComma))) {
    }
    if (Take(Token::kNextCell)) continue;
    if (!Sees(Token::kNextRow) && !Sees(Token::kEnvironmentEnd)) return nullptr;
    if (!end_row()) return nullptr;
    while (Take(Token::kNextRow)) {
    }
  }
  if (in_row != 0 || Now().text != name || cells.empty()) return nullptr;
  ++at_;
  if (name == "cases" && columns == 1) {
    MathNode* list = tree_.Make(Kind::kList, cells);
    list->joint = Joint::kAnd;
    return list;
  }
  MathNode* matrix = tree_.Make(Kind::kMatrix, cells);
  matrix->columns = static_cast<std::int32_t>(columns);
  matrix->open = name == "cases" ? '{' : '(';
  return name == "vmatrix" ? Determinant(matrix) : matrix;
}

// Written out up to three rows; larger ones are compared by their structure.
const MathNode* MathParser::Determinant(const MathNode* matrix) {
  const auto n = static_cast<std::size_t>(matrix->columns);
  if (matrix->size() != n * n || n > 3) return tree_.Call(Function::kDeterminant, {matrix});
  if (n == 1) return &(*matrix)[0];
  const auto cell = [&](std::size_t row, std::size_t column) {
    return &(*matrix)[row * n + column % n];
  };
  Nodes terms(tree_.memory());
  if (n == 2) {
    terms.push_back(tree_.Make(Kind::kProduct, {cell(0, 0), cell(1, 1)}));
    terms.push_back(
        tree_.Make(Kind::kNegative, {tree_.Make(Kind::kProduct, {cell(0, 1), cell(1, 0)})}));
    return tree_.Make(Kind::kSum, terms);
  }
  for (std::size_t i = 0; i < n; ++i) {
    terms.push_back(tree_.Make(Kind::kProduct, {cell(0, i), cell(1, i + 1), cell(2, i + 2)}));
    const MathNode* against =
        tree_.Make(Kind::kProduct, {cell(0, i + 2), cell(1, i + 1), cell(2, i)});
    terms.push_back(tree_.Make(Kind::kNegative, {against}));
  }
  return tree_.Make(Kind::kSum, terms);
}

}  // namespace cogent
