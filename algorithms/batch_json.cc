#include "algorithms/batch_json.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/error.h"

namespace cogent {
namespace {

using nlohmann::json;

const std::vector<std::string> kFields = {"logprobs", "old_logprobs", "ref_logprobs", "sampler_logprobs", "entropies", "values",
                                          "old_values", "mask", "rewards", "greedy_rewards", "components", "component_weights", "accuracy", "truncated",
                                          "group"};

// NaN and the infinities, which other programs write though JSON has no such numbers, become texts, so that
// they can be named with their place.
std::string QuoteNotFinite(const std::string& text) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\' && i + 1 < text.size()) {
      out += c;
      out += text[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    const char* word = nullptr;
    for (const char* known : {"NaN", "nan", "-Infinity", "Infinity", "-inf", "inf"}) {
      if (!quoted && word == nullptr && text.compare(i, std::char_traits<char>::length(known), known) == 0) word = known;
    }
    if (word == nullptr) {
      out += c;
    } else {
      out += '"' + std::string(word) + '"';
      i += std::char_traits<char>::length(word) - 1;
    }
  }
  return out;
}

// Reads the fields one after the other, by the shape of `logprobs`.
class Reader {
 public:
  Reader(const std::string& text, const std::string& file) : file_(file) {
    try {
      root_ = json::parse(QuoteNotFinite(text));
    } catch (const json::exception& error) {
      throw DataError(fmt::format("{}: this is no JSON: {}", file, error.what()));
    }
    if (!root_.is_object()) throw DataError(file + R"(: an object is wanted, as {"logprobs": [[-1.5, -0.2]], "rewards": [1], "group": [0]})");
    for (const auto& [name, value] : root_.items()) {
      if (std::find(kFields.begin(), kFields.end(), name) != kFields.end()) continue;
      const auto near = Nearest(name, kFields);
      throw DataError(fmt::format("{}: unknown field '{}'.{} Known: {}.", file, name, near ? " Did you mean '" + *near + "'?" : "",
                                  fmt::join(kFields, ", ")));
    }
    for (const char* name : {"logprobs", "rewards"}) {
      if (!Has(name)) throw DataError(fmt::format("{}: '{}' is missing", file, name));
    }
    const json& rows = root_["logprobs"];
    if (!rows.is_array()) Fail("logprobs", "a list with a list of numbers a completion is wanted", rows);
    if (rows.empty()) throw DataError(file + ": logprobs is empty; a batch has at least one completion");
    for (const json& row : rows) widths_.push_back(row.size());
    ReadMask();
  }

  bool Has(const std::string& name) const { return root_.contains(name) && !root_.at(name).is_null(); }
  std::size_t size() const { return widths_.size(); }
  const std::vector<std::vector<bool>>& mask() const { return mask_; }

  // Numbers of the chosen tokens.
  at::Tensor Tokens(const std::string& name) const {
    std::vector<double> values;
    const json& rows = Rows(name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t t = 0; t < widths_[i]; ++t) {
        const std::string where = fmt::format("{}[{}][{}]", name, i, t);
        if (mask_[i][t]) values.push_back(Number(rows[i][t], where));
        else if (!rows[i][t].is_null()) Number(rows[i][t], where);
      }
    }
    return at::tensor(values, at::kDouble);
  }
  // The sum of each row, whoever chose the tokens.
  at::Tensor RowSums(const std::string& name) const {
    std::vector<double> sums;
    const json& rows = Rows(name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      sums.push_back(0.0);
      for (std::size_t t = 0; t < widths_[i]; ++t) {
        if (mask_[i][t] || !rows[i][t].is_null()) sums.back() += Number(rows[i][t], fmt::format("{}[{}][{}]", name, i, t));
      }
    }
    return at::tensor(sums, at::kDouble);
  }
  bool IsPerToken(const std::string& name) const { return root_.at(name).is_array() && !root_.at(name).empty() && root_.at(name)[0].is_array(); }
  at::Tensor PerCompletion(const std::string& name) const {
    std::vector<double> values;
    const json& list = List(name);
    for (std::size_t i = 0; i < list.size(); ++i) values.push_back(Number(list[i], fmt::format("{}[{}]", name, i)));
    return at::tensor(values, at::kDouble);
  }
  // One list a reward, by name; in the order of the names.
  at::Tensor Components(at::Tensor& weights) const {
    const json& lists = root_.at("components");
    if (!lists.is_object() || lists.empty()) Fail("components", R"(an object with a list a reward is wanted, as {"accuracy": [1, 0], "format": [1, 1]})", lists);
    std::vector<at::Tensor> columns;
    std::vector<double> weight_of;
    for (const auto& [name, list] : lists.items()) {
      const std::string where = "components." + name;
      if (!list.is_array()) Fail(where, "a list with one entry a completion is wanted", list);
      if (list.size() != size()) throw DataError(fmt::format("{}: {} has {} entries, but logprobs has {} completions", file_, where, list.size(), size()));
      std::vector<double> values;
      for (std::size_t i = 0; i < list.size(); ++i) values.push_back(Number(list[i], fmt::format("{}[{}]", where, i)));
      columns.push_back(at::tensor(values, at::kDouble));
      const bool weighted = Has("component_weights") && root_.at("component_weights").is_object() && root_.at("component_weights").contains(name);
      weight_of.push_back(weighted ? Number(root_.at("component_weights").at(name), "component_weights." + name) : 1.0);
    }
    if (Has("component_weights")) {
      const json& given = root_.at("component_weights");
      if (!given.is_object()) Fail("component_weights", R"(an object is wanted, as {"accuracy": 1, "format": 0.1})", given);
      for (const auto& [name, weight] : given.items()) {
        if (!lists.contains(name)) throw DataError(fmt::format("{}: component_weights.{}: there is no such list in components", file_, name));
      }
    }
    weights = at::tensor(weight_of, at::kDouble);
    return at::stack(columns, 1);
  }
  at::Tensor Truncated() const {
    std::vector<std::uint8_t> values(size(), 0);
    if (Has("truncated")) {
      const json& list = List("truncated");
      for (std::size_t i = 0; i < list.size(); ++i) values[i] = Truth(list[i], fmt::format("truncated[{}]", i));
    }
    return at::tensor(values, at::kByte).to(at::kBool);
  }
  // Groups by number, in the order in which they first appear; undefined when they were left out.
  at::Tensor Groups() const {
    if (!Has("group")) return {};
    std::vector<json> ids;
    std::vector<std::int64_t> groups;
    std::vector<bool> has_tokens;
    const json& list = List("group");
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string where = fmt::format("group[{}]", i);
      if (list[i].is_null()) throw DataError(fmt::format("{}: {} is missing: each completion belongs to a group", file_, where));
      if (!list[i].is_number_integer() && !list[i].is_string()) Fail(where, "a whole number or a text is wanted", list[i]);
      const auto found = std::find(ids.begin(), ids.end(), list[i]);
      groups.push_back(found - ids.begin());
      if (found == ids.end()) ids.push_back(list[i]), has_tokens.push_back(false);
      const auto& row = mask_[i];
      if (std::find(row.begin(), row.end(), true) != row.end()) has_tokens[static_cast<std::size_t>(groups.back())] = true;
    }
    for (std::size_t g = 0; g < ids.size(); ++g) {
      if (has_tokens[g]) continue;
      const auto first = std::find(groups.begin(), groups.end(), static_cast<std::int64_t>(g)) - groups.begin();
      throw DataError(fmt::format("{}: group[{}]: group {} is empty: the mask leaves none of its completions a token", file_, first, ids[g].dump()));
    }
    return at::tensor(groups, at::kLong);
  }

 private:
  [[noreturn]] void Fail(const std::string& where, const std::string& wanted, const json& found) const {
    throw DataError(fmt::format("{}: {}: {}, found {}", file_, where, wanted, found.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 60)));
  }
  double Number(const json& value, const std::string& where) const {
    if (!value.is_number()) Fail(where, "a finite number is wanted", value);
    const double number = value.get<double>();
    if (!std::isfinite(number)) Fail(where, "a finite number is wanted", value);
    return number;
  }
  bool Truth(const json& value, const std::string& where) const {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number() && (value == 0 || value == 1)) return value == 1;
    Fail(where, "0 or 1 is wanted", value);
  }
  const json& List(const std::string& name) const {
    const json& list = root_.at(name);
    if (!list.is_array()) Fail(name, "a list with one entry a completion is wanted", list);
    if (list.size() != size()) throw DataError(fmt::format("{}: {} has {} entries, but logprobs has {} completions", file_, name, list.size(), size()));
    return list;
  }
  const json& Rows(const std::string& name) const {
    const json& rows = List(name);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string where = fmt::format("{}[{}]", name, i);
      if (!rows[i].is_array()) Fail(where, "a list with one entry a token is wanted", rows[i]);
      if (rows[i].size() != widths_[i]) {
        throw DataError(fmt::format("{}: {} has {} tokens, but logprobs[{}] has {}", file_, where, rows[i].size(), i, widths_[i]));
      }
      if (rows[i].empty()) throw DataError(fmt::format("{}: {} is empty; a completion has at least one token", file_, where));
    }
    return rows;
  }
  void ReadMask() {
    Rows("logprobs");
    for (const std::size_t width : widths_) mask_.emplace_back(width, true);
    if (Has("mask")) {
      const json& rows = Rows("mask");
      for (std::size_t i = 0; i < size(); ++i) {
        for (std::size_t t = 0; t < widths_[i]; ++t) mask_[i][t] = Truth(rows[i][t], fmt::format("mask[{}][{}]", i, t));
      }
    }
    const auto chosen = [](const std::vector<bool>& row) { return std::find(row.begin(), row.end(), true) != row.end(); };
    if (std::none_of(mask_.begin(), mask_.end(), chosen)) throw DataError(file_ + ": mask is 0 everywhere; nothing is left to learn from");
  }

  std::string file_;
  json root_;
  std::vector<std::size_t> widths_;  // tokens of each completion
  std::vector<std::vector<bool>> mask_;
};

Batch ReadBatch(const Reader& in, const Algorithm& algorithm, const at::Tensor& logprobs, const std::string& file) {
  Batch batch;
  std::vector<std::int64_t> lengths, sequence;
  for (std::size_t i = 0; i < in.size(); ++i) {
    lengths.push_back(std::count(in.mask()[i].begin(), in.mask()[i].end(), true));
    sequence.insert(sequence.end(), static_cast<std::size_t>(lengths.back()), static_cast<std::int64_t>(i));
  }
  batch.lengths = at::tensor(lengths, at::kLong);
  batch.sequence = at::tensor(sequence, at::kLong);
  batch.groups = in.Groups();
  batch.truncated = in.Truncated();
  if (in.IsPerToken("rewards")) {
    batch.rewards = in.RowSums("rewards");
    batch.token_rewards = in.Tokens("rewards");
  } else {
    batch.rewards = in.PerCompletion("rewards");
  }
  if (in.Has("greedy_rewards")) batch.greedy_rewards = in.PerCompletion("greedy_rewards");
  if (in.Has("components")) batch.components = in.Components(batch.component_weights);
  batch.accuracy = in.Has("accuracy") ? in.PerCompletion("accuracy") : at::full_like(batch.rewards, std::numeric_limits<double>::quiet_NaN());
  batch.old_logprobs = in.Has("old_logprobs") ? in.Tokens("old_logprobs") : logprobs.detach();
  if (in.Has("sampler_logprobs")) batch.sampler_logprobs = in.Tokens("sampler_logprobs");
  if (in.Has("ref_logprobs")) batch.ref_logprobs = in.Tokens("ref_logprobs");
  else if (algorithm.NeedsReference()) throw DataError(file + ": 'ref_logprobs' is missing: this algorithm compares with a reference unless kl_coef=0");
  if (in.Has("old_values") || in.Has("values")) batch.old_values = in.Tokens(in.Has("old_values") ? "old_values" : "values");
  else if (algorithm.NeedsCritic()) throw DataError(file + ": 'values' is missing: this algorithm has a critic");
  return batch;
}

// [M] as one list a completion, 0 where the mask is 0.
json Unflatten(const Reader& in, const at::Tensor& flat) {
  const at::Tensor values = flat.to(at::kDouble).contiguous();
  const double* next = values.const_data_ptr<double>();
  json rows = json::array();
  for (const auto& row : in.mask()) {
    rows.push_back(json::array());
    for (const bool chosen : row) rows.back().push_back(chosen ? *next++ : 0.0);
  }
  return rows;
}

json GradientOf(const Reader& in, const at::Tensor& leaf) { return Unflatten(in, leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf)); }

json Compute(const Algorithm& algorithm, const Reader& in, const std::string& file) {
  const at::Tensor logprobs = in.Tokens("logprobs").requires_grad_();
  const at::Tensor entropy = in.Has("entropies") ? in.Tokens("entropies").requires_grad_() : at::Tensor();
  Batch batch = ReadBatch(in, algorithm, logprobs, file);
  FixTargets(batch, algorithm);
  batch = OptimizerStep(batch, algorithm, 0, batch.size());
  const Loss loss = algorithm.ComputeLoss(batch, logprobs, entropy);
  if (loss.value.requires_grad()) loss.value.backward();
  json parts = json::object();
  for (const auto& [name, part] : loss.parts) parts[name] = part.item<double>();
  json out = {{"advantages", Unflatten(in, batch.advantages)}, {"loss", loss.value.item<double>()}, {"grad_logprobs", GradientOf(in, logprobs)}};
  if (entropy.defined()) out["grad_entropies"] = GradientOf(in, entropy);
  if (algorithm.NeedsCritic()) {
    const at::Tensor values = in.Tokens(in.Has("values") ? "values" : "old_values").requires_grad_();
    const Loss value_loss = algorithm.ComputeValueLoss(batch, values);
    value_loss.value.backward();
    parts["value_loss"] = value_loss.value.item<double>();
    out["returns"] = Unflatten(in, batch.returns);
    out["grad_values"] = GradientOf(in, values);
  }
  out["parts"] = parts;
  return out;
}

}  // namespace

std::string LossOfBatch(const Algorithm& algorithm, const std::string& text, const std::string& file) {
  const Reader in(text, file);
  json out;
  try {
    out = Compute(algorithm, in, file);
  } catch (const DataError& error) {
    const std::string what = error.what();
    throw DataError(what.starts_with(file) ? what : file + ": " + what);
  } catch (const c10::Error& error) {  // an undefined tensor, of an algorithm that does not say so itself
    std::vector<std::string> left_out;
    std::copy_if(kFields.begin(), kFields.end(), std::back_inserter(left_out), [&](const std::string& name) { return !in.Has(name); });
    throw DataError(fmt::format("{}: the algorithm failed: {}. Fields that were left out, one of which it may need: {}.", file,
                                error.what_without_backtrace(), fmt::join(left_out, ", ")));
  }
  for (const char* name : {"advantages", "grad_logprobs"}) {
    for (std::size_t i = 0; i < out[name].size(); ++i) {
      for (std::size_t t = 0; t < out[name][i].size(); ++t) {
        if (!std::isfinite(out[name][i][t].get<double>())) throw DataError(fmt::format("{}: {}[{}][{}] is not finite; the loss overflows on this batch", file, name, i, t));
      }
    }
  }
  return out.dump();
}

}  // namespace cogent
