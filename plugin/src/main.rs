//! The plugin as a program of its own.

use nice_plug::wrapper::standalone::nice_export_standalone;
use sextet_plugin::Sextet;

fn main() {
    nice_export_standalone::<Sextet>();
}
