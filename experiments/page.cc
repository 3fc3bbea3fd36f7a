#include "experiments/page.h"

#include <fmt/format.h>

#include <cmath>

#include "experiments/metrics.h"
#include "experiments/svg.h"
#include "experiments/text.h"

namespace cogent {
namespace {

constexpr const char* kPageCss = R"(
:root{--back:#f6f8fa;--card:#fff;--text:#1f2328;--soft:#57606a;--edge:#d8dee4;--accent:#2563eb;--good:#0f8a5f}
@media(prefers-color-scheme:dark){:root{--back:#0b0e13;--card:#12161c;--text:#e6edf3;--soft:#9aa4af;
--edge:#2a3038;--accent:#7aa7ff;--good:#4fd1a1}}
:root{color-scheme:light dark}*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,-apple-system,'Segoe UI',
Roboto,'Helvetica Neue',Arial,sans-serif}
main{max-width:1440px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0}h2{font-size:18px;margin:36px 0 12px}
.soft{color:var(--soft)}.line{margin:4px 0 0}
.cards,.plots{display:grid;gap:14px}.cards{grid-template-columns:repeat(auto-fill,minmax(250px,1fr));margin-top:22px}
.plots{grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))}
.card{background:var(--card);border:1px solid var(--edge);border-radius:8px;padding:14px 16px;min-width:0}
.card .name{color:var(--soft);font-size:13px}.card .value{font-size:24px;font-weight:650;white-space:nowrap}
.card .value .from{color:var(--soft);font-weight:450}.card .more{color:var(--soft);font-size:12px}
.plots .card{padding:6px}.plots svg{display:block;width:100%;height:auto}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:14px;margin:0 0 14px}
@media(max-width:800px){.pair{grid-template-columns:1fr}}
.task{margin:14px 0 6px;font-weight:600;white-space:pre-wrap;overflow-wrap:anywhere}
pre{margin:8px 0 0;font:13px/1.45 ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;
white-space:pre-wrap;overflow-wrap:anywhere}
.tag{color:var(--accent);font-weight:600}
.chip{display:inline-block;border:1px solid var(--edge);border-radius:10px;padding:0 8px;margin:0 4px 2px 0;
font-size:12px;color:var(--soft);white-space:nowrap}.chip.good{color:var(--good);border-color:var(--good)}
table{border-collapse:collapse;width:100%}td,th{padding:4px 10px 4px 0;text-align:left;
border-bottom:1px solid var(--edge);font-variant-numeric:tabular-nums}th{font-weight:600}
.bar{height:10px;border-radius:5px;background:var(--accent);min-width:2px}td.wide{width:45%}
th.n,td.n{text-align:right}.scroll{overflow-x:auto}.row{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(260px,1fr);gap:14px;overflow-x:auto}
.real{color:var(--good);font-weight:600}.note{margin:4px 0}
details{margin-top:14px}summary{cursor:pointer;font-weight:600;font-size:18px}
)";

// Colours the tags of the completion format. `escaped` is markup already.
std::string WithTags(std::string escaped) {
  for (const std::string_view tag :
       {"&lt;think&gt;", "&lt;/think&gt;", "&lt;answer&gt;", "&lt;/answer&gt;"}) {
    const std::string coloured = fmt::format("<span class=\"tag\">{}</span>", tag);
    for (std::size_t at = escaped.find(tag); at != std::string::npos;
         at = escaped.find(tag, at + coloured.size())) {
      escaped.replace(at, tag.size(), coloured);
    }
  }
  return escaped;
}

}  // namespace

bool IsShare(const std::string& name) {
  const MetricInfo* info = FindMetric(name);
  if (info) return info->unit == "share";
  return name.ends_with("accuracy") || name.ends_with("_ratio");
}

std::string FormatMetric(const std::string& name, double value) {
  if (IsShare(name)) return fmt::format("{:.1f}%", 100.0 * value);
  if (std::abs(value) >= 1e6) return fmt::format("{:.2f}M", value / 1e6);
  if (value == std::floor(value)) return fmt::format("{:.0f}", value);
  return std::abs(value) >= 100 ? fmt::format("{:.1f}", value) : fmt::format("{:.3g}", value);
}

std::string PageHead(const std::string& title, const std::string& kind) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>{0} - {1}</title><style>{2}{3}</style></head><body><main>\n<h1>{0}</h1>\n",
      EscapeMarkup(title), EscapeMarkup(kind), kPageCss, ChartCss());
}

std::string PageEnd() { return "</main></body></html>\n"; }

std::string SampleCard(const SampleLine* sample) {
  if (!sample) return "<div class=\"card soft\">no completion of this problem was kept</div>\n";
  std::string chips =
      fmt::format("<span class=\"chip\">step {}</span><span class=\"chip{}\">reward {:.3g}</span>",
                  sample->step, sample->reward > 0.5 ? " good" : "", sample->reward);
  for (const auto& [name, score] : sample->rewards) {
    chips += fmt::format("<span class=\"chip{}\">{} {:.3g}</span>", score > 0.5 ? " good" : "",
                         EscapeMarkup(name, 60), score);
  }
  chips += fmt::format("<span class=\"chip\">{:.0f} tokens</span>", sample->length);
  if (!sample->status.empty() && sample->status != "done") {
    chips += fmt::format("<span class=\"chip\">{}</span>", EscapeMarkup(sample->status, 60));
  }
  const std::string cause = sample->cause.empty() ? "" : "\n\n[" + sample->cause + "]";
  return fmt::format("<div class=\"card\">{}<pre>{}</pre></div>\n", chips,
                     WithTags(EscapeMarkup(sample->completion + cause, kMostText)));
}

}  // namespace cogent
