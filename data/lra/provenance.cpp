#include "data/lra/provenance.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace krait {

using nlohmann::ordered_json;

bool LraFact::agrees() const {
  return std::abs(got - expected) <= tolerance;
}

std::string LraProvenance::json(std::optional<Split> part) const {
  ordered_json object{{"tool", tool},
                      {"task", name_of(task)},
                      {"origin", name_of(origin)},
                      {"sources", ordered_json::array()},
                      {"seed", seed},
                      {"rules", ordered_json::object()},
                      {"deviations", deviations},
                      {"facts", ordered_json::array()}};
  if (part) object["part"] = name_of(*part);
  for (const RawSource& source : sources) {
    object["sources"].push_back({{"name", source.name},
                                 {"files", source.files},
                                 {"bytes", source.bytes},
                                 {"sha256", source.sha256}});
  }
  for (const auto& [name, value] : rules) object["rules"][name] = value;
  for (const LraFact& fact : facts) {
    object["facts"].push_back({{"name", fact.name},
                               {"expected", fact.expected},
                               {"got", fact.got},
                               {"tolerance", fact.tolerance},
                               {"agrees", fact.agrees()}});
  }
  return object.dump();
}

DataOrigin origin_of(std::string_view provenance) {
  const auto object = nlohmann::json::parse(provenance, nullptr, false);
  KRAIT_CHECK(BadData, object.is_object() && object.contains("origin"),
              "the provenance of the set does not say where its data comes from.");
  const auto& name = object["origin"];
  const auto origin =
      name.is_string() ? value_of<DataOrigin>(name.get<std::string>()) : std::nullopt;
  KRAIT_CHECK(BadData, origin, "the provenance of the set names the origin ", name.dump(),
              ", which this build does not know.");
  return *origin;
}

}  // namespace krait
