//! The list of the editor's widgets, for programs that drive the editor from outside. Debug builds
//! write it into the file that `SEXTET_EDITOR_PLACES` names. Each line has left, top, right and
//! bottom in points, `on` or `off`, and the accessible name.

use std::fmt::Write as _;
use std::path::PathBuf;

use egui::accesskit::{Node, Role};
use egui::{Context, FullOutput, Plugin};

/// Environment variable that names the file.
const VARIABLE: &str = "SEXTET_EDITOR_PLACES";

/// The writer of the list. It writes whenever the list differs from the last one.
struct Places {
    file: PathBuf,
    written: String,
}

/// Starts to write the list if the variable is set.
pub(super) fn write(context: &Context) {
    let Some(file) = std::env::var_os(VARIABLE) else {
        return;
    };
    context.enable_accesskit();
    context.add_plugin(Places {
        file: file.into(),
        written: String::new(),
    });
}

impl Plugin for Places {
    fn debug_name(&self) -> &'static str {
        "places"
    }

    fn output_hook(&mut self, _context: &Context, output: &mut FullOutput) {
        let Some(update) = output.platform_output.accesskit_update.take() else {
            return;
        };

        let mut list = String::new();
        for (_, node) in &update.nodes {
            line(&mut list, node);
        }

        if list == self.written {
            return;
        }

        // Readers must find a complete list or none.
        if sextet_fs::write(&self.file, &list).is_ok() {
            self.written = list;
        }
    }
}

/// Adds a widget to the list, unless it has no name or no place.
fn line(list: &mut String, node: &Node) {
    // The text of a label is its value; the value of a field is the user's input.
    let said = node.value().filter(|_| node.role() == Role::Label);
    let name = node
        .label()
        .or(said)
        .or(node.placeholder())
        .unwrap_or_default();

    let Some(place) = node.bounds().filter(|_| !name.is_empty()) else {
        return;
    };

    let is_on = if node.is_disabled() { "off" } else { "on" };
    let name = name.replace('\n', " ");
    let _ = writeln!(
        list,
        "{}\t{}\t{}\t{}\t{is_on}\t{name}",
        place.x0, place.y0, place.x1, place.y1
    );
}
