// LineObject and ToJsonLine of experiments/verify.h, the only ones there that know the JSON
// library.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "experiments/text.h"
#include "experiments/verify.h"

namespace cogent {
namespace {

constexpr int kDeepest = 64;

// The library's own message carries a number and the bytes read last, which may be anything.
std::string Malformed(const nlohmann::json::parse_error& error) {
  std::string text = error.what();
  const std::size_t colon = text.find(": ", text.find("parse error"));
  if (colon != std::string::npos) text = text.substr(colon + 2);
  if (text.size() > 160) text = text.substr(0, 160) + "..";
  return "no JSON: at byte " + std::to_string(error.byte) + ": " + ToValidUtf8(text);
}

}  // namespace

struct LineObject::Json {
  nlohmann::json object;

  const nlohmann::json* Find(const std::string& field) const {
    const auto it = object.find(field);
    return it == object.end() || it->is_null() ? nullptr : &*it;
  }
};

LineObject::LineObject(std::string_view text) : json_(std::make_unique<Json>()) {
  const auto keep = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    return depth <= kDeepest;
  };
  try {
    json_->object = nlohmann::json::parse(text, keep);
  } catch (const nlohmann::json::parse_error& error) {
    throw DataError(Malformed(error));
  } catch (const nlohmann::json::out_of_range&) {
    throw DataError("no JSON that can be read: a number in it is beyond what 64 bits hold, as 1e999");
  }
  if (!json_->object.is_object()) throw DataError("a JSON object is wanted, as {\"id\": 1, ...}");
}

LineObject::~LineObject() = default;
LineObject::LineObject(LineObject&&) noexcept = default;

std::optional<std::string> LineObject::FindText(const std::string& field) const {
  const auto* value = json_->Find(field);
  if (!value) return std::nullopt;
  if (!value->is_string())
    throw DataError("'" + field + "' must be a text, not " + value->type_name());
  return value->get<std::string>();
}

std::string LineObject::Text(const std::string& field) const {
  if (auto text = FindText(field)) return *std::move(text);
  throw DataError("'" + field + "' is missing; a text is wanted");
}

std::string LineObject::TextOrNumber(const std::string& field) const {
  const auto* value = json_->Find(field);
  return value && value->is_number() ? value->dump() : Text(field);
}

std::optional<double> LineObject::FindNumber(const std::string& path) const {
  const nlohmann::json* value = &json_->object;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t dot = std::min(path.find('.', from), path.size());
    const auto it = value->is_object() ? value->find(path.substr(from, dot - from)) : value->end();
    if (it == value->end() || it->is_null()) return std::nullopt;
    value = &*it;
    from = dot + 1;
  }
  if (value->is_boolean()) return value->get<bool>() ? 1.0 : 0.0;
  if (!value->is_number())
    throw DataError("'" + path + "' must be a number, true or false, not " + value->type_name());
  return value->get<double>();
}

std::optional<std::string> LineObject::FindJson(const std::string& field) const {
  const auto* value = json_->Find(field);
  if (!value) return std::nullopt;
  return value->dump();
}

LineValue LineObject::Id() const {
  const auto* value = json_->Find("id");
  if (!value) return nullptr;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number_float()) return value->get<double>();
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX) return value->dump();
  if (value->is_number()) return value->get<std::int64_t>();
  throw DataError(std::string("'id' must be a text or a number, not ") + value->type_name());
}

std::string ToJsonLine(const LineResult& fields) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, value] : fields) {
    std::visit([&, &name = name](const auto& one) { object[name] = one; }, value);
  }
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace cogent
