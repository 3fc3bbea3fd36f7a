// The JSON library, and which of its templates json_templates.cc makes for all: each file that reads or writes JSON would make
// them anew otherwise, which takes a third of the time of compiling it, and four tenths under the sanitizers. Read in front of every
// file where headers are precompiled (cogent_precompile in layers.cmake); nothing includes it, nothing depends on it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#ifndef COGENT_JSON_TEMPLATE
#define COGENT_JSON_TEMPLATE extern template
#endif

namespace nlohmann {
COGENT_JSON_TEMPLATE class basic_json<>;
COGENT_JSON_TEMPLATE class basic_json<ordered_map>;
namespace detail {
using InString = iterator_input_adapter<std::string::const_iterator>;
using InCharacters = iterator_input_adapter<const char*>;
COGENT_JSON_TEMPLATE class serializer<json>;
COGENT_JSON_TEMPLATE class serializer<ordered_json>;
COGENT_JSON_TEMPLATE class json_sax_dom_parser<json>;
COGENT_JSON_TEMPLATE class json_sax_dom_parser<ordered_json>;
COGENT_JSON_TEMPLATE class json_sax_dom_callback_parser<json>;
COGENT_JSON_TEMPLATE class json_sax_dom_callback_parser<ordered_json>;
COGENT_JSON_TEMPLATE class parser<json, InString>;
COGENT_JSON_TEMPLATE class parser<json, InCharacters>;
COGENT_JSON_TEMPLATE class parser<json, input_stream_adapter>;
COGENT_JSON_TEMPLATE class parser<ordered_json, InString>;
COGENT_JSON_TEMPLATE class lexer<json, InString>;
COGENT_JSON_TEMPLATE class lexer<json, InCharacters>;
COGENT_JSON_TEMPLATE class lexer<json, input_stream_adapter>;
COGENT_JSON_TEMPLATE class lexer<ordered_json, InString>;
}  // namespace detail
}  // namespace nlohmann
