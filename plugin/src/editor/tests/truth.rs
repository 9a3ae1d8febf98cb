//! Tests that the editor shows the true state, and that its buttons have the effect that they name.

use super::*;

#[test]
fn a_take_that_is_over_is_not_shown_as_armed_whatever_the_host_has_heard() {
    let mut desk = Desk::new();
    desk.click("Capture");
    desk.host.deliver();
    desk.harness.run();

    assert!(desk.shows("Armed"));
    for block in 0..10 {
        desk.block(Some(block * BLOCK as i64), 0.25);
    }

    desk.wait("a capture", |view| view.phase == Phase::Capturing);
    assert!(desk.shows("Stop capture"));
    desk.block(None, 0.0);
    desk.wait("a clip", |view| view.phase == Phase::Captured);

    // The host has not applied the editor's change yet, and plays on. Nothing is captured, and the
    // editor does not claim otherwise.
    assert!(desk.params.capture.value());
    assert!(desk.shows("Capture") && !desk.shows("Armed"));
    desk.pass(0.75);

    assert!(!desk.end.recorder.is_rolling());
    desk.host.deliver();

    assert!(
        !desk.params.capture.value(),
        "the host hears that the take is over"
    );
}

#[test]
fn a_second_take_can_be_armed_before_the_host_has_disarmed_the_first() {
    let mut desk = Desk::new();
    desk.click("Capture");
    desk.host.deliver();
    desk.pass(0.25);
    desk.wait("a clip", |view| view.phase == Phase::Captured);

    desk.click("Capture");
    assert!(desk.shows("Armed"));

    // Both changes, off and on, reach the audio thread between two blocks.
    desk.host.deliver();
    let first = desk.saved.get().clip.unwrap();
    desk.pass(0.5);
    desk.wait("another clip", |view| {
        view.name == "Take 2" && view.phase == Phase::Captured
    });

    assert_ne!(desk.saved.get().clip.unwrap().audio, first.audio);
}

/// A host that ends a render deactivates the plugin, and may process again with the parameter still
/// on.
#[test]
fn a_take_stays_over_when_the_host_activates_anew() {
    let mut desk = Desk::new();
    desk.click("Capture");
    desk.host.deliver();
    desk.block(Some(0), 0.25);

    let remote = desk.session.remote().clone();
    desk.end.end_take(&remote.link);
    let (end, line) = lines(SESSION_HZ, remote.thread(), &remote.link);

    remote.tell(Command::Activate(Box::new(line)));
    desk.end = end;
    desk.wait("a clip", |view| view.phase == Phase::Captured);
    desk.block(Some(0), 0.5);

    assert!(!desk.end.recorder.is_rolling());
    desk.click("Capture");
    desk.host.deliver();
    desk.block(Some(0), 0.5);

    assert!(desk.end.recorder.is_rolling());
}

#[test]
fn clips_are_undone_and_done_again_from_the_editor() {
    let mut desk = Desk::ready(egui::vec2(1020.0, 640.0), 1.0);
    let first = desk.saved.get().clip.unwrap();

    assert!(desk.end.deck().is_some());
    assert!(
        !desk.can("Undo") && !desk.can("Redo"),
        "a project begins anew"
    );
    desk.click("Capture");
    desk.host.deliver();
    desk.pass(0.25);

    desk.wait("a take", |view| view.phase == Phase::Captured);
    let take = desk.saved.get().clip.unwrap();
    assert_eq!(
        (take.name.as_str(), take.frames, take.key),
        ("Take 1", 10 * BLOCK as u64, None)
    );

    assert!(
        desk.end.deck().is_none(),
        "the first clip's stems are not played to another clip"
    );
    desk.host.deliver();

    // Runs twice, so that the state after undo and redo is the same as before.
    for _ in 0..2 {
        desk.click("Undo");
        desk.wait("the first clip's stems", |view| view.phase == Phase::Ready);

        assert_eq!(desk.saved.get().clip.as_ref(), Some(&first));
        assert!(desk.end.deck().is_some());
        assert!(!desk.can("Undo") && desk.can("Redo"));
        desk.click("Redo");
        desk.wait("the take", |view| view.phase == Phase::Captured);

        assert_eq!(desk.saved.get().clip.as_ref(), Some(&take));
        assert!(desk.end.deck().is_none());
        assert!(desk.can("Undo") && !desk.can("Redo"));
    }

    // A new clip makes the undone one unreachable. Undoing parameters is up to the host.
    desk.click("Undo");
    desk.wait("the first clip's stems", |view| view.phase == Phase::Ready);
    desk.session.remote().link.transport(Some(1_000));
    desk.click("Move here");

    desk.wait("the move", |view| {
        view.clip
            .as_ref()
            .is_some_and(|wave| wave.placement.start_frame == 1_000)
    });

    assert!(desk.can("Undo") && !desk.can("Redo"));
    assert!(desk.end.deck().is_some(), "it is played in its new place");
    desk.click("Undo");

    desk.wait("the old place", |view| {
        view.clip
            .as_ref()
            .is_some_and(|wave| wave.placement.start_frame == 0)
    });

    assert_eq!(desk.saved.get().clip.as_ref(), Some(&first));
    desk.host.deliver();

    assert!(!desk.params.capture.value() && desk.params.levels().stems == [1.0; 6]);
}

/// No block is processed meanwhile, so that the line to the audio thread is full long before the
/// end.
#[test]
fn what_is_played_is_the_clip_that_is_shown_after_any_number_of_undos() {
    let mut desk = Desk::ready(egui::vec2(1020.0, 640.0), 1.0);
    desk.click("Capture");
    desk.host.deliver();
    desk.pass(0.25);
    desk.wait("a take", |view| view.phase == Phase::Captured);

    for round in 0..15 {
        desk.click("Undo");
        desk.wait("stems", |view| view.phase == Phase::Ready);
        if round < 14 {
            desk.click("Redo");
            desk.wait("the take", |view| view.phase == Phase::Captured);
        }
    }

    let begun = Instant::now();

    // The first call empties the line; the deck that had to wait comes then.
    while desk.end.deck().is_none() {
        assert!(
            begun.elapsed() < PATIENCE,
            "the stems that are shown are not played"
        );
        std::thread::sleep(Duration::from_millis(2));
    }

    desk.click("Redo");
    desk.wait("the take", |view| view.phase == Phase::Captured);

    assert!(desk.end.deck().is_none());
}

#[test]
fn a_capture_that_is_gone_is_not_tried_again_but_found_again() {
    let mut desk = Desk::new();
    let gone = Fingerprint::of(b"stems that nobody has");
    let clip = clip(Some(gone));
    let path = desk.home.folders.capture(&clip.audio);

    desk.load(Some(clip));
    desk.wait("what is missing", |view| {
        matches!(view.phase, Phase::Failed(_))
    });
    let said = format!(
        "The stems of this clip are no longer in the cache, and its capture is gone: {}",
        path.display()
    );

    assert!(desk.shows(&said));
    assert!(!desk.shows("Try again") && !desk.can("Separate"));

    // The remedy is offered twice: in the header, and beside the message.
    assert_eq!(desk.harness.query_all_by_label("Open file").count(), 2);
    let low = |rect: egui::Rect| rect.top() > 500.0;
    desk.harness
        .query_all_by_label("Open file")
        .find(|node| low(node.rect()))
        .unwrap()
        .click();

    desk.harness.run();
    assert!(desk.shows("Open a file"));

    // The capture comes back, with the disk that it is on.
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    entry::write_wav(&path, SESSION_HZ, &vec![0.25; 2 * SESSION_HZ as usize]);
    desk.wait("the job that makes the stems again", |view| {
        match &view.phase {
            Phase::Separating(_) => true,
            // This test has no command, or another one.
            Phase::Failed(fault) => fault.can_be_tried_again(),
            _ => false,
        }
    });
}
