#include "train/config/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "tests/support/config_values.h"
#include "train/config/nearest_name.h"
#include "train/config/schema.h"

namespace krait {
namespace {

const std::string kValid = R"(run:
  directory: runs/test
model:
  d_model: 64
  n_layer: 2
data:
  train: train.h5
  sequence_length: 128
train:
  steps: 100
  batch_size: 8
optimizer:
  lr: 0.003
)";

Config parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_config(text, "c.yaml", overrides);
}

// Successive random numbers of one stream.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : stream_{.seed = seed} {}
  double uniform() { return stream_.uniform(next_++); }
  std::uint64_t below(std::uint64_t bound) { return stream_.bits64(next_++) % bound; }

 private:
  RandomStream stream_;
  std::uint64_t next_ = 0;
};

// The message of the BadConfig error that `text` gives.
std::string mistakes(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse(text, overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::BadConfig);
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

#define EXPECT_CONTAINS(text, part) EXPECT_TRUE(contains(text, part)) << text

std::size_t lines(const std::string& text) {
  return 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// kValid with `from` replaced by `to`.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kValid;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Config, ReadsAFileOfRequiredFieldsAndLeavesTheRestAtTheirDefaults) {
  const Config c = parse(kValid);
  EXPECT_EQ(c.run.directory, "runs/test");
  EXPECT_EQ(c.model.d_model, 64);
  EXPECT_EQ(c.train.steps, 100);
  EXPECT_EQ(c.optimizer.lr, 0.003);
  EXPECT_EQ(c.optimizer.beta2, 0.95);
  EXPECT_EQ(c.schedule.kind, ScheduleOptions::Kind::Cosine);
  EXPECT_TRUE(c.model.tie_embeddings);
}

TEST(Config, ReadsFlowStyleDottedKeysCommentsAndACarriageReturn) {
  const Config c = parse(
      "run: {directory: a b}  # comment\r\nmodel: {d_model: 8, n_layer: 1}\r\n"
      "data: {train: 'it''s', sequence_length: 4}\r\ntrain.steps: 5\r\n"
      "train: {batch_size: 1}\r\noptimizer: {lr: 1e-3}\r\nevaluation:\r\n");
  EXPECT_EQ(c.run.directory, "a b");
  EXPECT_EQ(c.data.train, "it's");
  EXPECT_EQ(c.train.steps, 5);
}

TEST(Config, AMixtureIsCheckedAndItsMistakeHasItsColumn) {
  const std::string line = "  train: train.h5";
  const auto problem = [&](const std::string& value) {
    return mistakes(with(line, "  train: " + value));
  };
  EXPECT_EQ(parse(with(line, "  train: web.h5:0.7, code.h5:0.3")).data.train,
            "web.h5:0.7, code.h5:0.3");
  EXPECT_EQ(problem("web.h5:0.7, code.h5"),
            "c.yaml:7:22: data.train has no weight for 'code.h5'; the form is 'web.h5:0.7, "
            "code.h5:0.3'");
  EXPECT_CONTAINS(problem("\"web.h5:0.7, code.h5:x\""),
                  "c.yaml:7:31: data.train has the weight 'x' for 'code.h5'");
  EXPECT_CONTAINS(problem("'w''eb.h5:0.7, code.h5'"), "c.yaml:7:10: data.train has no weight");
  EXPECT_CONTAINS(problem(">\n    web.h5:0.7,\n    code.h5"), "data.train has no weight");
  EXPECT_CONTAINS(mistakes(kValid, {"data.train=a:1,b"}),
                  "override 'data.train=a:1,b': the value has no weight for 'b'");
}

TEST(Config, OverridesWinOverTheFileAndGiveRequiredFields) {
  const Config c = parse(
      with("  steps: 100\n", ""),
      {"train.steps=7", "optimizer.lr=1e-4", "run.directory=a=b c", "run.seed=3",
       "schedule.kind=wsd", "schedule.decay_steps=2", "model.tie_embeddings=false", "data.valid="});
  EXPECT_EQ(c.train.steps, 7);
  EXPECT_EQ(c.optimizer.lr, 1e-4);
  EXPECT_EQ(c.run.directory, "a=b c");
  EXPECT_EQ(c.schedule.kind, ScheduleOptions::Kind::Wsd);
  EXPECT_FALSE(c.model.tie_embeddings);
}

TEST(Config, UnknownKeysNamePlaceAndTheNearestKnownKey) {
  EXPECT_EQ(mistakes(kValid + "  bta1: 0.5\n"),
            "c.yaml:14:3: unknown key optimizer.bta1; did you mean optimizer.beta1?");
  EXPECT_CONTAINS(mistakes(kValid + "lr: 0.5\n"),
                  "c.yaml:14:1: unknown key lr; did you mean "
                  "optimizer.lr?");
  EXPECT_CONTAINS(mistakes(kValid + "optimiser: {eps: 1}\n"),
                  "c.yaml:14:1: unknown key optimiser; did you mean optimizer?");
  EXPECT_CONTAINS(mistakes(kValid + "  learning_velocity: 1\n"),
                  "optimizer has lr, beta1, beta2, eps, weight_decay, clip_norm");
  EXPECT_CONTAINS(mistakes(kValid + "<<: {a: 1}\n"), "c.yaml:14:1: unknown key <<; the sections");
}

TEST(Config, AnUnknownSectionIsReportedOnceAndNotForEachOfItsKeys) {
  EXPECT_EQ(lines(mistakes(kValid + "optimiser:\n  eps: 1\n  foo: {a: {b: 3}}\n")), 1u);
}

TEST(Config, DuplicateKeysAreErrorsWithBothPlaces) {
  EXPECT_EQ(mistakes(kValid + "  lr: 0.004\n"),
            "c.yaml:14:3: duplicate key optimizer.lr; first given on line 13");
  EXPECT_CONTAINS(mistakes(kValid + "train: {log_every: 2}\n"),
                  "c.yaml:14:1: duplicate key train; first given on line 9");
  EXPECT_CONTAINS(mistakes(kValid + "train.steps: 3\n"), "duplicate key train.steps");
}

TEST(Config, IntegersAreDecimalAndExact) {
  const std::map<std::string, std::int64_t> good = {
      {"1", 1},   {"+7", 7}, {"1e6", 1000000}, {"1.5e3", 1500},
      {"2.0", 2}, {"2.", 2}, {"1E+2", 100},    {"999999999999999", 999999999999999},
  };
  for (const auto& [text, value] : good) {
    EXPECT_EQ(parse(with("steps: 100", "steps: " + text)).train.steps, value) << text;
    EXPECT_EQ(parse(kValid, {"train.steps=" + text}).train.steps, value) << text;
  }
  for (const char* text :
       {"010",     "0x10", "0o7",      "1_000", "1,000", "1.5",   "1e-1",
        "yes",     "true", "ten",      "--1",   "1e",    "1e400", "99999999999999999999",
        "1e17",    "-1",   "0",        "-1e3",  ".inf",  "nan",   "\"5\"",
        "'5'",     "[5]",  "{a: 5}",   "~",     "null",  "",      "!!int 5",
        "|\n   5", "1 2",  "5 apples", "٣"}) {
    EXPECT_CONTAINS(mistakes(with("steps: 100", std::string("steps: ") + text)), "c.yaml:10:")
        << text;
  }
}

TEST(Config, NumbersAreFiniteDecimals) {
  const std::map<std::string, double> good = {{"1", 1.0},      {"3e-4", 3e-4}, {".5", 0.5},
                                              {"+0.25", 0.25}, {"1E0", 1.0},   {"5.", 5.0}};
  for (const auto& [text, value] : good) {
    EXPECT_EQ(parse(with("lr: 0.003", "lr: " + text)).optimizer.lr, value) << text;
  }
  for (const char* text : {".inf", "-.inf", ".nan", "inf", "nan", "1e999", "1e-999", "0x1p3",
                           "1.2.3", "01.5", "0", "-1", "1e", ".", "e5", "+", "1d0", "0,5", "'1'"}) {
    const std::string message = mistakes(with("lr: 0.003", std::string("lr: ") + text));
    EXPECT_CONTAINS(message, "c.yaml:13:7: optimizer.lr ") << text;
    EXPECT_EQ(lines(message), 1u) << message;
  }
}

TEST(Config, BooleansAreTrueAndFalseOnly) {
  EXPECT_FALSE(parse(kValid + "model.tie_embeddings: false\n").model.tie_embeddings);
  for (const char* text : {"yes", "no", "on", "True", "FALSE", "1", "0", "y", "'true'"}) {
    EXPECT_CONTAINS(mistakes(kValid + "model.tie_embeddings: " + text + "\n"),
                    "c.yaml:14:23: model.tie_embeddings")
        << text;
  }
}

TEST(Config, ChoicesAreChecked) {
  EXPECT_EQ(parse(kValid + "model.norm: layer\n").model.norm, NormKind::Layer);
  EXPECT_EQ(parse(kValid + "model.norm: 'layer'\n").model.norm, NormKind::Layer);
  EXPECT_EQ(mistakes(kValid + "schedule: {kind: cosin}\n"),
            "c.yaml:14:18: schedule.kind must be one of cosine, linear, wsd, constant, got "
            "'cosin'; did you mean cosine?");
}

TEST(Config, RangesAreChecked) {
  EXPECT_EQ(mistakes(with("lr: 0.003", "lr: -1")),
            "c.yaml:13:7: optimizer.lr must be above 0, got '-1'");
  EXPECT_EQ(mistakes(kValid + "  beta1: 1\n"),
            "c.yaml:14:10: optimizer.beta1 must be at least 0 and below 1, got '1'");
  EXPECT_EQ(mistakes(kValid + "model.d_conv: 9\n"),
            "c.yaml:14:15: model.d_conv must be 2 to 8, got '9'");
  EXPECT_CONTAINS(mistakes(kValid + "checkpoint.keep_last: 1\n"), "must be 2 to 1000000");
  EXPECT_CONTAINS(mistakes(with("runs/test", "''")), "run.directory must not be empty");
}

TEST(Config, AllMistakesAreReportedAtOnceInTheOrderOfTheFile) {
  const std::string message = mistakes(
      "run: {directory: x, seeds: 1}\n"
      "model: {d_model: wide, n_layer: 0}\n"
      "train: {steps: 10, batch_size: 7, accumulation: 2}\n"
      "optimizer: {lr: 1, lr: 2}\n",
      {"run.thread=3", "train.log_every=no", "nonsense"});
  EXPECT_EQ(message,
            "c.yaml:1:1: data.train is missing (token set to train on (krait data build makes "
            "one))\n"
            "c.yaml:1:1: data.sequence_length is missing (tokens of one training sequence)\n"
            "c.yaml:1:21: unknown key run.seeds; did you mean run.seed?\n"
            "c.yaml:2:18: model.d_model must be an integer, got 'wide'\n"
            "c.yaml:2:33: model.n_layer must be at least 1, or model.layers must name the layers\n"
            "c.yaml:3:49: train.accumulation must divide train.batch_size (7), got 2\n"
            "c.yaml:4:20: duplicate key optimizer.lr; first given on line 4\n"
            "override 'run.thread=3': unknown key; did you mean run.threads?\n"
            "override 'train.log_every=no': the value must be an integer, got 'no'\n"
            "override 'nonsense': must be UTF-8 of the form section.field=value");
}

TEST(Config, MissingFieldsPointAtTheirSection) {
  EXPECT_EQ(mistakes(with("  n_layer: 2\n", "")),
            "c.yaml:3:1: model.n_layer must be at least 1, or model.layers must name the layers");
  EXPECT_CONTAINS(mistakes(""), "c.yaml:1:1: run.directory is missing");
  EXPECT_EQ(lines(mistakes("# nothing\n")), 8u);
}

TEST(Config, MistakesInLayersAreShownWhereTheyStand) {
  EXPECT_EQ(mistakes(with("  n_layer: 2\n", "  layers: mamba1 x3, mumba\n")),
            "c.yaml:5:22: model.layers 'mumba' is not a kind of layer; use mamba1, s4d");
  EXPECT_EQ(mistakes(kValid + "model.layers: mamba1 x3\n"),
            "c.yaml:5:12: model.n_layer must be left out, or be 3, the number of layers in "
            "model.layers; got 2");
  const Config hybrid = parse(with("  n_layer: 2\n", "  layers: (mamba1 x3, s4d) x2\n"));
  EXPECT_EQ(hybrid.model.layer_count(), 8);
}

TEST(Config, RulesBetweenFieldsBlameTheFieldOrTheOverride) {
  const std::map<std::string, std::string> wrong = {
      {"train.accumulation: 3", "train.accumulation must divide train.batch_size (8), got 3"},
      {"schedule.warmup_steps: 101", "schedule.warmup_steps must be at most train.steps (100)"},
      {"schedule.min_lr: 0.01", "schedule.min_lr must be at most optimizer.lr (0.003)"},
      {"schedule.kind: wsd", "schedule.decay_steps must be at least 1 when schedule.kind is wsd"},
      {"schedule: {kind: wsd, warmup_steps: 60, decay_steps: 41}",
       "must be at most train.steps - schedule.warmup_steps (40), got 41"},
      {"model.dt_min: 0.5", "model.dt_max must be at least model.dt_min (0.5)"},
      {"s4d.d_state: 7", "s4d.d_state must be even for a complex A (s4d.initial is lin), got 7"},
      {"s4d.dt_min: 0.5", "s4d.dt_max must be at least s4d.dt_min (0.5)"},
      {"evaluation.every: 10", "evaluation.every needs a token set in data.valid"},
  };
  for (const auto& [line, message] : wrong) {
    const std::string got = mistakes(kValid + line + "\n");
    EXPECT_CONTAINS(got, message);
    EXPECT_CONTAINS(got, "c.yaml:14:");
    EXPECT_EQ(lines(got), 1u) << got;
  }
  EXPECT_CONTAINS(
      mistakes(kValid + "run.threads: 1\n", {"train.batch_size=7", "train.accumulation=2"}),
      "override 'train.accumulation=2': train.accumulation must divide");
  EXPECT_CONTAINS(mistakes(with("size: 8\n", "size: 8\n  precision: bf16\n"), {"run.device=cpu"}),
                  "c.yaml:12:14: train.precision bf16 needs CUDA, but run.device is cpu");
  EXPECT_CONTAINS(mistakes(kValid, {"train.precision=f64", "run.device=cuda"}),
                  "f64 runs on the CPU");
  EXPECT_CONTAINS(mistakes(kValid, {"train.batch_size=1e9", "data.sequence_length=1e9"}), "2^40");
}

TEST(Config, OverridesAreTypedAndNamedInTheirErrors) {
  EXPECT_EQ(mistakes(kValid, {"optimizer.lr=fast"}),
            "override 'optimizer.lr=fast': the value must be a number, got 'fast'");
  EXPECT_EQ(mistakes(kValid, {"run.seed=1", "run.seed=2"}),
            "override 'run.seed=2': is given twice");
  EXPECT_CONTAINS(mistakes(kValid, {"optimizer=1"}), "optimizer is a section");
  EXPECT_CONTAINS(mistakes(kValid, {"optimizer.lr"}), "section.field=value");
  EXPECT_CONTAINS(mistakes(kValid, {"=3"}), "override '=3': unknown key");
  EXPECT_CONTAINS(mistakes(kValid, {"optimizer.lr="}), "must be a number, got ''");
  EXPECT_CONTAINS(mistakes(kValid, {"run.directory="}), "must not be empty");
  EXPECT_CONTAINS(mistakes(kValid, {"run.directory=\xff"}), "UTF-8");
}

TEST(Config, MalformedTextsAreCleanErrors) {
  const std::map<std::string, std::string> wrong = {
      {"- a\n- b\n", "c.yaml:1:1: must be a mapping"},
      {"hello", "c.yaml:1:1: must be a mapping"},
      {kValid + "---\nrun: 1\n", "only one YAML document"},
      {"run: [1, 2\n", "is not YAML"},
      {"run:\n\tdirectory: x\n", "is not YAML"},
      {"run: &a {directory: x}\nmodel: *a\n", "anchors and aliases are not supported"},
      {"run: *nobody\n", "is not YAML"},
      {"? {a: b}\n: c\n", "keys must be plain names"},
      {"run: !!map {directory: x}\n", "c.yaml:1:6: tags are not supported"},
      {"run: 3\n", "run is a section"},
      {"run: [directory]\n", "run is a section"},
      {"run: {directory: [x]}\n", "run.directory must be text, got a list"},
      {"run: {directory: {x: y}}\n", "run.directory must be text, got a mapping"},
      {"run: {directory: }\n", "run.directory has no value"},
      {std::string("run:\0", 5), "control character"},
      {"run:\n  directory: \"a\x04z\"\n", "c.yaml:2:16: contains a control character"},
      {"run: \xff\xfe\n", "c.yaml:1:6: is not UTF-8"},
      {"\x7f"
       "ELF\x02\x01\x01",
       "control character"},
      {"run: \xed\xa0\x80", "is not UTF-8"},
      {std::string(100000, '['), "nested too deeply"},
      {std::string(100000, '{'), "nested too deeply"},
      {"run:" + std::string(3 << 20, ' '), "larger than 1 MiB"},
      {"%YAML 9.0\n---\nrun: {}\n", "c.yaml:"},
  };
  for (const auto& [text, message] : wrong) {
    EXPECT_CONTAINS(mistakes(text), message) << text.substr(0, 100);
  }
}

TEST(Config, AnAliasBombIsAnErrorAndIsNotExpanded) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    text += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 9; ++k) text += fmt::format("*a{},", i - 1);
    text += "]\n";
  }
  const std::string message = mistakes(text);
  EXPECT_CONTAINS(message, "anchors and aliases are not supported");
  EXPECT_CONTAINS(message, "more mistakes");
  EXPECT_LT(message.size(), 10000u);
}

TEST(Config, FilesThatCannotBeReadSayWhy) {
  const auto kind_of = [](const std::filesystem::path& path) {
    try {
      load_config(path);
    } catch (const Error& error) {
      EXPECT_CONTAINS(std::string(error.what()), path.string());
      return error.kind();
    }
    return ErrorKind::Contract;
  };
  const std::filesystem::path directory = testing::TempDir();
  EXPECT_EQ(kind_of(directory / "absent.yaml"), ErrorKind::MissingInput);
  EXPECT_EQ(kind_of(directory / "absent" / "c.yaml"), ErrorKind::MissingInput);
  EXPECT_EQ(kind_of(directory), ErrorKind::BadConfig);
  EXPECT_EQ(kind_of("/dev/zero"), ErrorKind::BadConfig);

  const std::filesystem::path file = directory / "krait_config_test.yaml";
  std::ofstream(file) << kValid;
  EXPECT_EQ(load_config(file, {"train.steps=9"}).train.steps, 9);
  std::filesystem::remove(file);
}

TEST(ConfigSchema, EveryFieldSurvivesDumpAndReloadAlone) {
  Draws random(1);
  for (const Field& field : config_fields()) {
    Config config = parse(kValid);
    const FieldValue value = other_value(field, config, random.uniform());
    field.set(config, value);
    EXPECT_EQ(field.get(config), value) << field.name;
    if (field.key() == "d_conv") field.set(config, std::int64_t{7});
    // Keep the rules between fields true.
    config.schedule.decay_steps = std::max<std::int64_t>(config.schedule.decay_steps, 1);
    config.train.batch_size = config.train.accumulation * config.train.batch_size;
    config.train.steps += 100;
    config.optimizer.lr += config.schedule.min_lr;
    config.model.mamba1.dt_max += config.model.mamba1.dt_min;
    config.model.s4d.dt_max += config.model.s4d.dt_min;
    config.model.s4d.d_state += config.model.s4d.d_state % 2;
    config.data.valid += config.evaluation.every > 0 ? "v" : "";
    const Config reloaded = parse(dump_yaml(config));
    for (const Field& other : config_fields()) {
      EXPECT_EQ(other.get(reloaded), other.get(config)) << other.name << " after " << field.name;
    }
    EXPECT_EQ(dump_yaml(reloaded), dump_yaml(config));
  }
}

TEST(ConfigSchema, NamesAreUniqueSectionsContiguousAndEveryFieldHasAMemberOfItsOwn) {
  std::set<std::string> names;
  std::vector<std::string> sections;
  for (const Field& field : config_fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    if (sections.empty() || sections.back() != field.section()) {
      sections.emplace_back(field.section());
    }
    EXPECT_FALSE(field.help.empty()) << field.name;
    // Setting this field changes no other.
    Config config = parse(kValid);
    const Config before = config;
    field.set(config, other_value(field, config, 0.37));
    for (const Field& other : config_fields()) {
      EXPECT_EQ(other.get(config) != other.get(before), other.name == field.name) << field.name;
    }
  }
  EXPECT_EQ(std::set<std::string>(sections.begin(), sections.end()).size(), sections.size());
}

TEST(ConfigSchema, DefaultsAreInRangeAndFixedNamesExist) {
  for (const Field& field : config_fields()) {
    if (field.required || field.type == FieldType::Text) continue;
    std::string problem;
    EXPECT_TRUE(parse_field(field, format_field(field, field.get(Config{})), false, problem))
        << field.name << " " << problem;
  }
  for (const char* name : {"run.directory", "run.seed", "train.steps", "train.batch_size",
                           "data.sequence_length", "optimizer.lr", "checkpoint.every"}) {
    EXPECT_NE(find_field(name), nullptr) << name;
  }
}

TEST(ConfigSchema, TheMeaningOfAFieldFollowsFromTheFieldsThatItDependsOn) {
  const auto meaning = [](const char* name, const Config& c) {
    return find_field(name)->meaning(c);
  };
  Config config;
  config.model.d_model = 40;
  EXPECT_EQ(meaning("model.dt_rank", config), FieldValue(std::int64_t{3}));
  config.model.mamba1.dt_rank = 5;
  EXPECT_EQ(meaning("model.dt_rank", config), FieldValue(std::int64_t{5}));
  config.model.mamba1.bcdt_eps = 0.25;
  EXPECT_EQ(meaning("model.bcdt_eps", config), FieldValue(0.0));
  config.model.mamba1.norm_bcdt = true;
  EXPECT_EQ(meaning("model.bcdt_eps", config), FieldValue(0.25));
  EXPECT_EQ(meaning("model.norm", config), FieldValue(std::string("rms")));
  EXPECT_FALSE(find_field("model.dropout")->meaning);
  EXPECT_FALSE(find_field("optimizer.eps")->meaning);
}

TEST(ConfigSchema, RangesAreDescribedInWords) {
  EXPECT_EQ((FieldRange{}).describe(), "");
  EXPECT_EQ((FieldRange{.low = 0, .open_low = true}).describe(), "above 0");
  EXPECT_EQ((FieldRange{.low = 0, .high = 64}).describe(), "0 to 64");
  EXPECT_EQ((FieldRange{.low = 0.5, .high = 1.5}).describe(), "0.5 to 1.5");
  EXPECT_EQ((FieldRange{.low = 0, .high = 1, .open_high = true}).describe(),
            "at least 0 and below 1");
  EXPECT_EQ((FieldRange{.low = 1, .high = kMaxCount}).describe(), "at least 1");
  EXPECT_EQ((FieldRange{.high = 2}).describe(), "at most 2");
}

TEST(ConfigSchema, HelpAndMarkdownListEveryField) {
  const std::string help = config_help();
  const std::string markdown = config_markdown();
  for (const Field& field : config_fields()) {
    EXPECT_CONTAINS(help, field.name);
    EXPECT_CONTAINS(markdown, "`" + field.name + "`");
    EXPECT_CONTAINS(markdown, std::string(field.help));
  }
}

TEST(ConfigSchema, DoublesAreDumpedToTheBit) {
  Draws random(3);
  for (int i = 0; i < 400; ++i) {
    Config config = parse(kValid);
    config.optimizer.lr = std::ldexp(0.5 + random.uniform(), 5 * i - 1000);
    EXPECT_EQ(parse(dump_yaml(config)).optimizer.lr, config.optimizer.lr);
  }
}

TEST(Config, MutatedFilesLoadOrGiveAnErrorOfOurs) {
  std::vector<std::string> seeds = {kValid, dump_yaml(parse(kValid)),
                                    "{run: {directory: \"\\u00e9\"}, model: &a [*a], ? x : y}\n"};
  Draws random(5);
  const std::string special = "{}[]:,#&*!|>'\"%@`-? \n\t\x00\x04\xff\xc3<=~0e.";
  int loaded = 0;
  for (int i = 0; i < 6000; ++i) {
    std::string text = seeds[random.below(seeds.size())];
    const std::uint64_t edits = 1 + random.below(4);
    for (std::uint64_t k = 0; k < edits && !text.empty(); ++k) {
      const std::size_t at = random.below(text.size());
      switch (random.below(5)) {
        case 0:
          text[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          text.insert(at, 1, special[random.below(special.size())]);
          break;
        case 2:
          text.erase(at, 1 + random.below(8));
          break;
        case 3:
          text.insert(at, text.substr(random.below(text.size()), random.below(40)));
          break;
        default:
          text.resize(at);
          break;
      }
    }
    try {
      parse(text);
      ++loaded;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::BadConfig);
      EXPECT_CONTAINS(std::string(error.what()), "c.yaml");
    }
  }
  EXPECT_GT(loaded, 50);    // comments and texts can change without harm
  EXPECT_LT(loaded, 5000);  // and most other bytes cannot
}

TEST(NearestName, CountsEditsAndSwapsAndGivesUpOnFarNames) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("trian", "train"), 1u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
  const std::vector<std::string> names = {"train", "eval", "generate"};
  EXPECT_EQ(nearest_name("Trian", names), "train");
  EXPECT_EQ(nearest_name("genrate", names), "generate");
  EXPECT_EQ(nearest_name("xyz", names), "");
  EXPECT_EQ(nearest_name(std::string(100000, 'a'), names), "");
}

}  // namespace
}  // namespace krait
