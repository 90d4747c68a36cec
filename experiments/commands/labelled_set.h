// What commands say about labelled sets.
#pragma once
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "data/labelled_set/labelled_set.h"

namespace krait {

nlohmann::ordered_json labelled_set_json(const LabelledSetInfo& info);

/// krait data info and krait data verify, for a labelled set; `json` as for write_json.
void describe_labelled_set(const std::string& path, const std::string& json);
void verify_labelled_set(const std::string& path, const std::string& json);

}  // namespace krait
