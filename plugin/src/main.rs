//! The plugin as a standalone program.

use nice_plug::wrapper::standalone::nice_export_standalone;
use sextet_plugin::Sextet;

fn main() {
    nice_export_standalone::<Sextet>();
}
