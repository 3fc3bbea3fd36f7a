// The tree run: scopes, statements, expressions and macros. What is done with values is in chat_template_operations.h.
#include "policies/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <unordered_map>

#include "core/error.h"
#include "policies/chat_template_impl.h"
#include "policies/chat_template_operations.h"
#include "policies/tokenizer_bytes.h"

namespace cogent {
namespace chat {
namespace {

constexpr int kDeepestCall = 100;
constexpr int kDeepestRun = 600;  // expressions and blocks in one another, macros counted through

using Scope = std::unordered_map<std::string, Value>;

struct Stopped {};  // break
struct Skipped {};  // continue

Value ToValue(const Literal& literal) {
  return std::visit([](const auto& one) -> Value {
    if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::monostate>) return {};
    else return Value(one);
  }, literal);
}

bool IsAlwaysThere(const std::string& name) { return name == "raise_exception" || name == "namespace" || name == "range" || name == "dict" || name == "strftime_now"; }

}  // namespace

// One rendering.
class Renderer {
 public:
  Renderer(const std::string& name, const Value& variables) : name_(name), ops_(name), scopes_(1) {
    for (const auto& [key, value] : variables.Members()) scopes_[0][key] = value;
  }

  std::string Run(const std::vector<Statement>& statements) {
    try {
      std::string out;
      Body(statements, out);
      return out;
    } catch (const Refusal& refusal) {
      ops_.Fail(refusal.what);
    }
  }

 private:
  // Counts how deep expressions and blocks are in one another.
  class Deeper {
   public:
    explicit Deeper(Renderer& renderer) : renderer_(renderer) {
      if (++renderer_.deep_ > kDeepestRun) renderer_.ops_.Fail("blocks, expressions and macros are nested too deep");
    }
    ~Deeper() { --renderer_.deep_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Renderer& renderer_;
  };

  // ---- names ----------------------------------------------------------------------------------------

  const Value* FindVariable(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const auto found = scope->find(name); found != scope->end()) return &found->second;
    }
    return nullptr;
  }

  Value Named(const std::string& name) const {
    if (const Value* found = FindVariable(name)) return *found;
    // Without a date, a template falls back to its own.
    if (!IsAlwaysThere(name) || (name == "strftime_now" && !scopes_[0].contains("now"))) return {};
    return Function{name};
  }

  void Assign(const std::string& target, Value value) {
    const std::size_t dot = target.find('.');
    if (dot == std::string::npos) return (void)(scopes_.back()[target] = std::move(value));
    const Value* object = FindVariable(target.substr(0, dot));
    if (object == nullptr || !object->IsNamespace()) ops_.Fail("'" + target.substr(0, dot) + "' is no namespace");
    object->Set(target.substr(dot + 1), std::move(value));
  }
  void AssignAll(const std::vector<std::string>& targets, const Value& value) {
    if (targets.size() == 1) return Assign(targets[0], value);
    const Value items = ops_.Items(value);
    if (items.Items().size() != targets.size()) ops_.Fail(fmt::format("{} values are wanted to be set", targets.size()));
    for (std::size_t i = 0; i < targets.size(); ++i) Assign(targets[i], items.Items()[i]);
  }

  // ---- statements -----------------------------------------------------------------------------------

  void Body(const std::vector<Statement>& statements, std::string& out) {
    const Deeper deeper(*this);
    for (const Statement& s : statements) {
      ops_.Step(s.line);
      if (out.size() > kMostOutput) ops_.Fail("it writes more than 16 MiB");
      switch (s.kind) {
        case Statement::kText: out += s.text; break;
        case Statement::kOutput: Write(Eval(s.exprs[0]), out); break;
        case Statement::kIf: If(s, out); break;
        case Statement::kFor: For(s, out); break;
        case Statement::kSet: AssignAll(s.names, Eval(s.exprs[0])); break;
        case Statement::kSetBlock: {
          std::string text;
          Scoped(s, text);
          AssignAll(s.names, ops_.Text(std::move(text)));
          break;
        }
        case Statement::kScope: Scoped(s, out); break;
        case Statement::kMacro: scopes_.back()[s.text] = Function{s.text, &s, scopes_.size()}; break;
        case Statement::kBreak: throw Stopped{};
        case Statement::kContinue: throw Skipped{};
      }
    }
  }

  void Scoped(const Statement& s, std::string& out) {
    scopes_.emplace_back();
    Body(s.bodies[0], out);
    scopes_.pop_back();
  }

  void Write(const Value& value, std::string& out) {
    if (value.IsFunction()) ops_.Fail("'" + value.Callee().name + "' is a function; call it to print what it gives");
    const std::size_t before = out.size();
    if (value.IsText()) out += value.Text();
    else out += Show(value);
    ops_.Work((out.size() - before) * (value.IsText() ? 1 : kSlow));
    if (out.size() > kMostOutput) ops_.Fail("it writes more than 16 MiB");
  }

  void If(const Statement& s, std::string& out) {
    for (std::size_t i = 0; i < s.bodies.size(); ++i) {
      if (i < s.exprs.size() && !Truth(Eval(s.exprs[i]))) continue;
      return Body(s.bodies[i], out);
    }
  }

  void For(const Statement& s, std::string& out) {
    Value list = ops_.Items(Eval(s.exprs[0]));
    if (s.exprs.size() > 1) {
      std::vector<Value> kept;
      for (const Value& item : list.Items()) {
        ops_.Step(s.line);
        scopes_.emplace_back();
        AssignAll(s.names, item);
        if (Truth(Eval(s.exprs[1]))) kept.push_back(item);
        scopes_.pop_back();
      }
      list = ops_.List(std::move(kept));
    }
    const std::vector<Value>& items = list.Items();
    if (items.empty()) {
      if (s.bodies.size() > 1) Body(s.bodies[1], out);
      return;
    }
    const std::size_t count = items.size(), depth = scopes_.size();
    ++loops_;
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
      Members loop = {{"index", number(i + 1)}, {"index0", number(i)}, {"revindex", number(count - i)}, {"revindex0", number(count - i - 1)},
                                                         {"first", i == 0}, {"last", i + 1 == count}, {"length", number(count)}, {"depth", loops_}, {"depth0", loops_ - 1}};
      if (i > 0) loop.emplace_back("previtem", items[i - 1]);
      if (i + 1 < count) loop.emplace_back("nextitem", items[i + 1]);
      scopes_.emplace_back();
      scopes_.back()["loop"] = Value::Object(std::move(loop));
      AssignAll(s.names, items[i]);
      try {
        Body(s.bodies[0], out);
      } catch (const Skipped&) {
      } catch (const Stopped&) {
        scopes_.resize(depth);
        break;
      }
      scopes_.resize(depth);
    }
    --loops_;
  }

  // ---- expressions ----------------------------------------------------------------------------------

  Value Eval(const Expr& e) {
    const Deeper deeper(*this);
    ops_.Step(e.line > 0 ? e.line : ops_.line());
    switch (e.kind) {
      case Expr::kLiteral: return ToValue(e.value);
      case Expr::kName: return Named(e.text);
      case Expr::kAttribute: return Attribute(e);
      case Expr::kIndex: return Index(e);
      case Expr::kSlice: {
        const Value value = Eval(e.kids[0]), begin = Eval(e.kids[1]), end = Eval(e.kids[2]), step = Eval(e.kids[3]);
        return ops_.Slice(value, begin, end, step);
      }
      case Expr::kCall: return Call(e);
      case Expr::kFilter: {
        const Value value = Eval(e.kids[0]);
        return ops_.Filter(e.text, value, Given(e, 1));
      }
      case Expr::kTest: {
        const Value value = Eval(e.kids[0]);
        return ops_.Holds(e.text, value, Given(e, 1));
      }
      case Expr::kUnary: {
        const Value value = Eval(e.kids[0]);
        return e.text == "not" ? Value(!Truth(value)) : ops_.Signed(e.text, value);
      }
      case Expr::kBinary: return Binary(e);
      case Expr::kCompare: return Compare(e);
      case Expr::kInlineIf: return Truth(Eval(e.kids[1])) ? Eval(e.kids[0]) : Eval(e.kids[2]);
      case Expr::kList: return ops_.List(Given(e, 0), e.text == "tuple");
      case Expr::kObject: {
        Members members;
        for (std::size_t i = 0; i < e.kids.size(); i += 2) Operations::Put(members, Show(Eval(e.kids[i])), Eval(e.kids[i + 1]));
        return Value::Object(std::move(members));
      }
    }
    return {};
  }

  Arguments Given(const Expr& e, std::size_t from) {
    Arguments all;
    for (std::size_t i = from; i < e.kids.size(); ++i) all.push_back(Eval(e.kids[i]));
    return all;
  }

  Value Attribute(const Expr& e) {
    const Value value = Eval(e.kids[0]);
    // In Python the method stands before the key of that name.
    if (value.IsObject() && (e.text == "items" || e.text == "keys" || e.text == "values" || e.text == "get")) return Function{e.text};
    return ops_.Member(value, e.text, e.kids[0].text);
  }

  Value Index(const Expr& e) {
    const Value value = Eval(e.kids[0]);
    return ops_.At(value, Eval(e.kids[1]), e.kids[0].text);
  }

  Value Compare(const Expr& e) {
    Value left = Eval(e.kids[0]);
    for (std::size_t i = 0; i < e.names.size(); ++i) {
      Value right = Eval(e.kids[i + 1]);
      if (!ops_.Compared(e.names[i], left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  Value Binary(const Expr& e) {
    const std::string& op = e.text;
    const Value left = Eval(e.kids[0]);
    if (op == "and") return Truth(left) ? Eval(e.kids[1]) : left;
    if (op == "or") return Truth(left) ? left : Eval(e.kids[1]);
    const Value right = Eval(e.kids[1]);
    if (op == "~") {
      std::string text = Show(left) + Show(right);
      if (!left.IsText() || !right.IsText()) ops_.Work(text.size() * kSlow);
      return ops_.Text(std::move(text));
    }
    return ops_.Calculate(op, left, right);
  }

  // ---- calls ----------------------------------------------------------------------------------------

  Value Call(const Expr& e) {
    const Expr& callee = e.kids[0];
    if (callee.kind == Expr::kAttribute) {
      const Value self = Eval(callee.kids[0]);
      if (const Value* own = self.IsNamespace() ? self.Find(callee.text) : nullptr; own != nullptr && own->IsFunction() && own->Callee().macro != nullptr) {
        return Macro(own->Callee(), e);
      }
      if (!e.named.empty()) ops_.Fail("." + callee.text + "() takes no argument '" + e.names[0] + "'");
      return ops_.Method(self, callee.text, Given(e, 1));
    }
    const Value function = Eval(callee);
    if (!function.IsFunction()) {
      if (callee.kind != Expr::kName) ops_.Fail("only functions, macros and methods can be called");
      ops_.Fail(callee.text == "strftime_now" ? "strftime_now wants the variable `now`, the date" : "the function '" + callee.text + "' is not known");
    }
    if (function.Callee().macro != nullptr) return Macro(function.Callee(), e);
    const std::string& name = function.Callee().name;
    const Arguments arguments = Given(e, 1);
    if (name == "namespace" || name == "dict") {
      Members named;
      for (std::size_t i = 0; i < e.named.size(); ++i) named.emplace_back(e.names[i], Eval(e.named[i]));
      return ops_.Made(name, arguments, std::move(named));
    }
    if (!e.named.empty()) ops_.Fail(name + " takes no argument '" + e.names[0] + "'");
    if (name == "range") return ops_.Range(arguments);
    if (arguments.size() != 1) ops_.Fail(name + " takes one argument");
    if (name == "raise_exception") throw DataError(name_ + ": the chat template says: " + Show(arguments[0]));
    if (name == "strftime_now") return ops_.Date(scopes_[0]["now"], Show(arguments[0]));
    ops_.Fail("'" + name + "' is called as a method: value." + name + "()");
  }

  Value Macro(const Function& function, const Expr& call) {
    const Statement& macro = *function.macro;
    if (++calls_ > kDeepestCall) ops_.Fail("macros call one another too deep");
    Arguments arguments = Given(call, 1);
    if (arguments.size() > macro.names.size()) ops_.Fail("macro '" + macro.text + "' takes " + std::to_string(macro.names.size()) + " arguments");
    Scope scope;
    for (std::size_t i = 0; i < arguments.size(); ++i) scope[macro.names[i]] = std::move(arguments[i]);
    for (std::size_t i = 0; i < call.named.size(); ++i) {
      if (std::find(macro.names.begin(), macro.names.end(), call.names[i]) == macro.names.end()) ops_.Fail("macro '" + macro.text + "' takes no argument '" + call.names[i] + "'");
      if (scope.contains(call.names[i])) ops_.Fail("macro '" + macro.text + "' is given '" + call.names[i] + "' twice");
      scope[call.names[i]] = Eval(call.named[i]);
    }
    // A macro sees what stands around it, and its arguments.
    const std::size_t seen = std::min(function.scopes, scopes_.size());
    const auto around = static_cast<std::ptrdiff_t>(seen);
    std::vector<Scope> outside(std::make_move_iterator(scopes_.begin() + around), std::make_move_iterator(scopes_.end()));
    scopes_.resize(seen);
    scopes_.push_back(std::move(scope));
    const std::size_t without = macro.names.size() - macro.defaults.size();
    for (std::size_t i = 0; i < macro.names.size(); ++i) {
      if (scopes_.back().contains(macro.names[i])) continue;
      Value value = i >= without ? Eval(macro.defaults[i - without]) : Value();
      scopes_.back()[macro.names[i]] = std::move(value);
    }
    std::string out;
    Body(macro.bodies[0], out);
    scopes_.resize(seen);
    scopes_.insert(scopes_.end(), std::make_move_iterator(outside.begin()), std::make_move_iterator(outside.end()));
    --calls_;
    return ops_.Text(std::move(out));
  }

  const std::string& name_;
  Operations ops_;
  std::vector<Scope> scopes_;
  int calls_ = 0, loops_ = 0, deep_ = 0;
};

}  // namespace chat

struct ChatTemplate::Impl {
  std::string name;
  std::vector<chat::Statement> statements;
};

ChatTemplate::ChatTemplate(std::string_view text, const std::string& name)
    : impl_(std::make_unique<const Impl>(Impl{name, chat::ParseTemplate(IsUtf8(text) ? std::string(text) : RepairUtf8(text), name)})) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::Render(std::string_view variables) const {
  try {
    const chat::Value values = chat::FromJson(variables);
    if (!values.IsObject()) throw DataError(impl_->name + ": the variables of a chat template are a JSON object");
    return chat::Renderer(impl_->name, values).Run(impl_->statements);
  } catch (const nlohmann::json::exception&) {
    throw DataError(impl_->name + ": the variables of a chat template are a JSON object");
  } catch (const chat::Refusal& refusal) {
    throw DataError(impl_->name + ": chat template: " + refusal.what);
  } catch (const std::bad_alloc&) {
    throw DataError(impl_->name + ": chat template: there is not enough memory for what it makes");
  } catch (const chat::Stopped&) {
    throw DataError(impl_->name + ": chat template: break outside of a loop");
  } catch (const chat::Skipped&) {
    throw DataError(impl_->name + ": chat template: continue outside of a loop");
  }
}

}  // namespace cogent
