//! The zoom: which stretch of the clip is shown.

/// Length of the shortest stretch that is shown, in seconds.
const SHORTEST_S: f64 = 0.1;
/// Part of the stretch that lies before the playhead when the stretch follows it.
const BEFORE_PLAYHEAD: f64 = 0.04;

/// A stretch, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) start_s: f64,
    pub(super) end_s: f64,
}

impl Span {
    pub(super) fn length_s(self) -> f64 {
        self.end_s - self.start_s
    }

    pub(super) fn contains(self, time_s: f64) -> bool {
        (self.start_s..=self.end_s).contains(&time_s)
    }

    pub(super) fn moved(self, by_s: f64) -> Self {
        Self {
            start_s: self.start_s + by_s,
            end_s: self.end_s + by_s,
        }
    }
}

/// The shown stretch of a clip: all of it, unless the user has zoomed in. Times count from the
/// clip's start.
#[derive(Debug, Default)]
pub(super) struct Zoom {
    /// `None` shows all, also of a clip that grows.
    stretch: Option<Span>,
    /// Whether the playhead was in sight in the last frame.
    saw_playhead: bool,
}

impl Zoom {
    /// Returns the stretch that is shown of a clip of `total_s` seconds.
    pub(super) fn shown(&self, total_s: f64) -> Span {
        let all = Span {
            start_s: 0.0,
            end_s: total_s,
        };
        self.stretch
            .filter(|stretch| stretch.length_s() < total_s)
            .map_or(all, |stretch| within(stretch, total_s))
    }

    /// Returns whether less than all is shown of a clip of `total_s` seconds.
    pub(super) fn is_closer(&self, total_s: f64) -> bool {
        self.shown(total_s).length_s() < total_s
    }

    /// Shows all.
    pub(super) fn fit(&mut self) {
        self.stretch = None;
    }

    /// Shows less for a factor above 1, more below it. The time `around_s` keeps its place.
    pub(super) fn zoom(&mut self, factor: f64, around_s: f64, total_s: f64) {
        let now = self.shown(total_s);
        let length_s = (now.length_s() / factor).max(SHORTEST_S);
        if length_s >= total_s {
            return self.fit();
        }

        let around_s = around_s.clamp(now.start_s, now.end_s);
        let part = (around_s - now.start_s) / now.length_s();
        let start_s = around_s - part * length_s;
        self.show(start_s, length_s, total_s);
    }

    /// Moves the stretch by seconds, as far as there is a clip.
    pub(super) fn scroll(&mut self, by_s: f64, total_s: f64) {
        let now = self.shown(total_s);
        if now.length_s() < total_s {
            self.show(now.start_s + by_s, now.length_s(), total_s);
        }
    }

    /// Turns over to a playhead that has left the stretch by itself. One that the user has scrolled
    /// away from is left alone.
    pub(super) fn follow(&mut self, playhead_s: Option<f64>, total_s: f64) {
        let is_in_sight = |zoom: &Self, time_s| zoom.shown(total_s).contains(time_s);
        let clip = Span {
            start_s: 0.0,
            end_s: total_s,
        };
        if let Some(time_s) = playhead_s.filter(|&time_s| clip.contains(time_s))
            && self.saw_playhead
            && !is_in_sight(self, time_s)
        {
            let length_s = self.shown(total_s).length_s();
            self.show(time_s - BEFORE_PLAYHEAD * length_s, length_s, total_s);
        }
    }

    /// Notes at a frame's end whether the playhead is in sight.
    pub(super) fn note(&mut self, playhead_s: Option<f64>, total_s: f64) {
        let shown = self.shown(total_s);
        self.saw_playhead = playhead_s.is_some_and(|time_s| shown.contains(time_s));
    }

    fn show(&mut self, start_s: f64, length_s: f64, total_s: f64) {
        let stretch = Span {
            start_s,
            end_s: start_s + length_s,
        };
        self.stretch = Some(within(stretch, total_s));
    }
}

/// Moves a stretch into the clip.
fn within(stretch: Span, total_s: f64) -> Span {
    let start_s = stretch
        .start_s
        .clamp(0.0, (total_s - stretch.length_s()).max(0.0));
    stretch.moved(start_s - stretch.start_s)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    const TOTAL_S: f64 = 100.0;

    fn span(start_s: f64, end_s: f64) -> Span {
        Span { start_s, end_s }
    }

    #[test]
    fn time_under_the_pointer_keeps_its_place() {
        each_case([0.0, 30.0, 50.0, 99.0, 100.0], |around_s| {
            let mut zoom = Zoom::default();
            for factor in [2.0, 2.0, 0.5, 3.0] {
                let place = |zoom: &Zoom| {
                    let now = zoom.shown(TOTAL_S);
                    (around_s - now.start_s) / now.length_s()
                };
                let before = place(&zoom);
                zoom.zoom(factor, around_s, TOTAL_S);
                assert!((place(&zoom) - before).abs() < 1e-9, "{zoom:?}");
            }
        });
    }

    #[test]
    fn stretches_stay_within_the_clip() {
        let cases = [
            (span(-5.0, 5.0), span(0.0, 10.0)),
            (span(95.0, 105.0), span(90.0, 100.0)),
            (span(20.0, 30.0), span(20.0, 30.0)),
            (span(0.0, 200.0), span(0.0, 100.0)),
        ];
        each_case(cases, |(wanted, shown)| {
            let zoom = Zoom {
                stretch: Some(wanted),
                saw_playhead: false,
            };
            assert_eq!(zoom.shown(TOTAL_S), shown);
        });

        let mut zoom = Zoom::default();
        zoom.zoom(10.0, 50.0, TOTAL_S);
        for (by_s, start_s) in [(-1000.0, 0.0), (4.0, 4.0), (1000.0, 90.0)] {
            zoom.scroll(by_s, TOTAL_S);
            assert_eq!(zoom.shown(TOTAL_S).start_s, start_s);
        }
    }

    #[test]
    fn zooming_ends_at_both_ends() {
        let mut zoom = Zoom::default();
        zoom.zoom(1e9, 50.0, TOTAL_S);
        assert!((zoom.shown(TOTAL_S).length_s() - SHORTEST_S).abs() < 1e-9);
        zoom.zoom(1e-9, 50.0, TOTAL_S);
        assert!(!zoom.is_closer(TOTAL_S));

        // A clip that is shorter than the shortest stretch is shown whole.
        zoom.zoom(2.0, 0.0, 0.05);
        assert_eq!(zoom.shown(0.05), span(0.0, 0.05));
    }

    #[test]
    fn shown_stretch_follows_the_playhead_unless_it_was_left() {
        let mut zoom = Zoom::default();
        zoom.zoom(10.0, 0.0, TOTAL_S);
        let play = |zoom: &mut Zoom, time_s| {
            zoom.follow(Some(time_s), TOTAL_S);
            zoom.note(Some(time_s), TOTAL_S);
            zoom.shown(TOTAL_S).start_s
        };

        assert_eq!(play(&mut zoom, 9.9), 0.0);
        assert!((play(&mut zoom, 10.1) - 9.7).abs() < 1e-9);
        // A loop jumps back.
        assert_eq!(play(&mut zoom, 0.2), 0.0);

        // The user looks at something else meanwhile.
        zoom.scroll(50.0, TOTAL_S);
        zoom.note(Some(0.2), TOTAL_S);
        assert_eq!(play(&mut zoom, 0.3), 50.0);

        // The playhead leaves the clip.
        assert_eq!(play(&mut zoom, 55.0), 50.0);
        assert_eq!(play(&mut zoom, 101.0), 50.0);
    }
}
