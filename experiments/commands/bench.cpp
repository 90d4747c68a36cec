// krait bench: how fast this machine is at it.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/bench/kernels.h"
#include "experiments/bench/loader.h"
#include "experiments/bench/step.h"
#include "experiments/commands/command.h"

namespace krait {
namespace {

struct KernelsCommand {
  KernelBenchmark options;
  DeviceChoice device = DeviceChoice::Auto;
  std::vector<std::string> references;
  std::string json;
};

void run_kernels(const KernelsCommand& command) {
  KernelBenchmark options = command.options;
  options.device = resolve_device(command.device);
  for (const std::string& path : command.references) {
    const std::vector<KernelReference> read = read_kernel_references(path);
    options.references.insert(options.references.end(), read.begin(), read.end());
  }
  const nlohmann::ordered_json report = run_kernel_benchmark(options);
  std::cout << kernel_benchmark_table(report);
  write_json(command.json, report);
}

void add_kernels(CLI::App& bench) {
  const auto command = std::make_shared<KernelsCommand>();
  KernelBenchmark& o = command->options;
  CLI::App* kernels = bench.add_subcommand(
      "kernels", "Each kernel of a training step: median, spread, share of the copy bandwidth");
  add_device_option(*kernels, command->device);
  add_choice_option(
      *kernels,
      {.name = "--dtype",
       .help = "Type of activations and matrix weights; sums and other parameters are f32",
       .choices = {std::string(name_of(DType::F32)), std::string(name_of(DType::BF16))},
       .set = [command](std::size_t i) {
         command->options.dtype = i == 0 ? DType::F32 : DType::BF16;
       }});
  kernels->add_option("--filter", o.filter, "Only kernels whose name contains this")
      ->type_name("TEXT");
  kernels
      ->add_option("--seconds", o.seconds,
                   "Measure each kernel at least this long; default: 1 on the CPU, 0.25 on a GPU")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber, "");
  kernels
      ->add_option("--reference", command->references,
                   "Times to compare with (experiments/reference/*.csv); give it once per file")
      ->type_name("FILE")
      ->allow_extra_args(false);
  kernels->footer(
      "To compare with the official kernels on an H200: --dtype bf16 --reference "
      "experiments/reference/mamba_ssm_h200.csv");
  add_threads_option(*kernels, o.threads);
  add_json_option(*kernels, command->json);
  kernels->callback([command] { run_kernels(*command); });
}

void print_fields(const nlohmann::ordered_json& report) {
  for (const auto& [name, value] : report.items()) {
    std::cout << fmt::format("{:<30} {}\n", name,
                             value.is_string() ? value.get<std::string>() : value.dump());
  }
}

struct LoaderCommand {
  LoaderBenchmark options;
  std::string json;
};

void run_loader(const LoaderCommand& command) {
  const nlohmann::ordered_json report = run_loader_benchmark(command.options);
  print_fields(report);
  write_json(command.json, report);
}

void add_loader(CLI::App& bench) {
  const auto command = std::make_shared<LoaderCommand>();
  LoaderBenchmark& o = command->options;
  CLI::App* loader = bench.add_subcommand(
      "loader", "Training sequences from a token set, compared with plain reads of the same bytes");
  loader->add_option("--data", o.set, "A token set: a .h5 file or a folder of shards")
      ->type_name("SET")
      ->required();
  const auto add_size = [loader](const std::string& name, std::int64_t& value, const char* help) {
    loader->add_option(name, value, help)
        ->type_name("N")
        ->check(CLI::PositiveNumber, "")
        ->capture_default_str();
  };
  add_size("--length", o.length, "Tokens per sequence; one more is read");
  add_size("--batch", o.batch, "Sequences per batch");
  add_size("--batches", o.batches, "Batches per round");
  add_size("--rounds", o.rounds, "Rounds; their median is reported");
  add_seed_option(*loader, o.seed, "the order");
  loader->add_flag("--reset", o.reset, "Make sequence ids, as data.reset_at_documents does");
  loader->add_flag("--prefetch", o.prefetch, "Read ahead on a thread, as training does");
  loader->add_flag("--cold", o.cold, "Read from the disk, not from the system's cache");
  loader->footer(
      "A set larger than the memory:\n  krait data random --vocab 50277 --tokens 10000000000 "
      "--documents 10000000 --out big.h5\n  krait bench loader --data big.h5 --cold");
  add_json_option(*loader, command->json);
  loader->callback([command] { run_loader(*command); });
}

struct StepCommand {
  StepBenchmark options;
  DeviceChoice device = DeviceChoice::Auto;
  std::string json;
};

void run_step(const StepCommand& command) {
  StepBenchmark options = command.options;
  options.device = resolve_device(command.device, options.precision);
  const nlohmann::ordered_json report = run_step_benchmark(options);
  print_fields(report);
  write_json(command.json, report);
}

void add_step(CLI::App& bench) {
  const auto command = std::make_shared<StepCommand>();
  StepBenchmark& o = command->options;
  o.model.d_model = 256;
  o.model.n_layer = 8;
  o.model.vocab_size = 50277;
  CLI::App* step = bench.add_subcommand("step", "A whole training step: median, spread, memory");
  const auto add_size = [step](const std::string& name, std::int64_t& value, const char* help) {
    step->add_option(name, value, help)
        ->type_name("N")
        ->check(CLI::PositiveNumber, "")
        ->capture_default_str();
  };
  add_size("--d-model", o.model.d_model, "Width of the model");
  add_size("--n-layer", o.model.n_layer, "Mamba blocks");
  add_size("--vocab-size", o.model.vocab_size, "Vocabulary");
  add_size("--d-state", o.model.mamba1.d_state, "States of a channel");
  add_size("--batch", o.batch, "Sequences");
  add_size("--length", o.length, "Tokens per sequence");
  step->add_option("--seconds", o.seconds, "Measure at least this long")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber, "")
      ->capture_default_str();
  step->add_flag("--recompute", o.recompute, "Recompute the blocks in backward");
  add_choice_option(*step, "--dtype", "Arithmetic; bf16 and tf32 need CUDA, f64 the CPU",
                    o.precision);
  add_device_option(*step, command->device);
  step->footer(
      "The published 130M model on a GPU: --d-model 768 --n-layer 24 --batch 32 --length 2048 "
      "--dtype bf16");
  add_threads_option(*step, o.threads);
  add_json_option(*step, command->json);
  step->callback([command] { run_step(*command); });
}

void add_bench_command(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Measure speed and memory");
  bench->require_subcommand(1);
  add_kernels(*bench);
  add_step(*bench);
  add_loader(*bench);
}

const CommandRegistration kBench(60, add_bench_command);

}  // namespace
}  // namespace krait
