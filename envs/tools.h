// The environment "tools": a task of another environment, with a tool to use on the way.
//
//   env: {name: tools, tool: python, task: {name: arithmetic, operands: [6, 9], values: [100, 99999]}}
//
//   prompt       the task's question, and how the tool is used
//   completion   <think> I need 17 * 23. <python>17 * 23</python>            a turn that ends so is a call
//   observation  <output>391</output>
//   completion   So it is 391. </think> <answer>391</answer>                 any other turn is the answer
//
// Tools: `python`, a session whose state lasts from call to call (sandbox/session.h), and `calculator`, one exact value:
// 1/3 + 2^10, \sqrt{16}. What the tool gives is cut at `output_bytes`; a call that fails says why. After
// `max_calls` calls the tool says that it takes no more. The task's environment judges all that the policy wrote, turns
// joined; it is asked for one completion, so it must be one that asks one question.
// Logged beside the verdict: `tool_calls`, how many, and `tool_errors`, those that gave an error.
// Thread rule: as every Env.
#pragma once

#include "envs/env.h"

namespace cogent {

void RegisterTools(EnvRegistry& envs);

// The value of an expression as text, exact: "1/3", "1024". Throws DataError where it has none.
std::string Calculate(const std::string& expression);

}  // namespace cogent
