//! Tests that the editor shows the true state, and that its buttons have the effect that they name.

use super::*;

#[test]
fn a_take_that_is_over_is_not_shown_as_armed_whatever_the_host_has_heard() {
    let mut fixture = EditorFixture::new();
    fixture.click("Capture");
    fixture.host.deliver();
    fixture.harness.run();

    assert!(fixture.shows("Armed"));
    for block in 0..10 {
        fixture.block(Some(block * BLOCK as i64), 0.25);
    }

    fixture.wait("a capture", |view| view.phase == Phase::Capturing);
    assert!(fixture.shows("Stop capture"));
    fixture.block(None, 0.0);
    fixture.wait("a clip", |view| view.phase == Phase::Captured);

    // The host has not applied the editor's change yet, and plays on. Nothing is captured, and the
    // editor does not claim otherwise.
    assert!(fixture.params.capture.value());
    assert!(fixture.shows("Capture") && !fixture.shows("Armed"));
    fixture.pass(0.75);

    assert!(!fixture.end.recorder.is_rolling());
    fixture.host.deliver();

    assert!(
        !fixture.params.capture.value(),
        "the host hears that the take is over"
    );
}

#[test]
fn a_second_take_can_be_armed_before_the_host_has_disarmed_the_first() {
    let mut fixture = EditorFixture::new();
    fixture.click("Capture");
    fixture.host.deliver();
    fixture.pass(0.25);
    fixture.wait("a clip", |view| view.phase == Phase::Captured);

    fixture.click("Capture");
    assert!(fixture.shows("Armed"));

    // Both changes, off and on, reach the audio thread between two blocks.
    fixture.host.deliver();
    let first = fixture.saved.get().clip.unwrap();
    fixture.pass(0.5);
    fixture.wait("another clip", |view| {
        view.name == "Take 2" && view.phase == Phase::Captured
    });

    assert_ne!(fixture.saved.get().clip.unwrap().audio, first.audio);
}

/// A host that ends a render deactivates the plugin, and may process again with the parameter still
/// on.
#[test]
fn a_take_stays_over_when_the_host_activates_anew() {
    let mut fixture = EditorFixture::new();
    fixture.click("Capture");
    fixture.host.deliver();
    fixture.block(Some(0), 0.25);

    let remote = fixture.session.remote().clone();
    fixture.end.end_take(&remote.shared);
    let (end, endpoint) = channel(SESSION_HZ, remote.thread(), &remote.shared);

    remote.send(Command::Activate(Box::new(endpoint)));
    fixture.end = end;
    fixture.wait("a clip", |view| view.phase == Phase::Captured);
    fixture.block(Some(0), 0.5);

    assert!(!fixture.end.recorder.is_rolling());
    fixture.click("Capture");
    fixture.host.deliver();
    fixture.block(Some(0), 0.5);

    assert!(fixture.end.recorder.is_rolling());
}

#[test]
fn clips_are_undone_and_done_again_from_the_editor() {
    let mut fixture = EditorFixture::ready(egui::vec2(1020.0, 640.0), 1.0);
    let first = fixture.saved.get().clip.unwrap();

    assert!(fixture.end.deck().is_some());
    assert!(
        !fixture.can("Undo") && !fixture.can("Redo"),
        "a project begins anew"
    );
    fixture.click("Capture");
    fixture.host.deliver();
    fixture.pass(0.25);

    fixture.wait("a take", |view| view.phase == Phase::Captured);
    let take = fixture.saved.get().clip.unwrap();
    assert_eq!(
        (take.name.as_str(), take.frames, take.key),
        ("Take 1", 10 * BLOCK as u64, None)
    );

    assert!(
        fixture.end.deck().is_none(),
        "the first clip's stems are not played to another clip"
    );
    fixture.host.deliver();

    // Runs twice, so that the state after undo and redo is the same as before.
    for _ in 0..2 {
        fixture.click("Undo");
        fixture.wait("the first clip's stems", |view| view.phase == Phase::Ready);

        assert_eq!(fixture.saved.get().clip.as_ref(), Some(&first));
        assert!(fixture.end.deck().is_some());
        assert!(!fixture.can("Undo") && fixture.can("Redo"));
        fixture.click("Redo");
        fixture.wait("the take", |view| view.phase == Phase::Captured);

        assert_eq!(fixture.saved.get().clip.as_ref(), Some(&take));
        assert!(fixture.end.deck().is_none());
        assert!(fixture.can("Undo") && !fixture.can("Redo"));
    }

    // A new clip makes the undone one unreachable. Undoing parameters is up to the host.
    fixture.click("Undo");
    fixture.wait("the first clip's stems", |view| view.phase == Phase::Ready);
    fixture.session.remote().shared.transport(Some(1_000));
    fixture.click("Move here");

    fixture.wait("the move", |view| {
        view.clip
            .as_ref()
            .is_some_and(|wave| wave.placement.start_frame == 1_000)
    });

    assert!(fixture.can("Undo") && !fixture.can("Redo"));
    assert!(
        fixture.end.deck().is_some(),
        "it is played in its new place"
    );
    fixture.click("Undo");

    fixture.wait("the old place", |view| {
        view.clip
            .as_ref()
            .is_some_and(|wave| wave.placement.start_frame == 0)
    });

    assert_eq!(fixture.saved.get().clip.as_ref(), Some(&first));
    fixture.host.deliver();

    assert!(!fixture.params.capture.value() && fixture.params.levels().stems == [1.0; 6]);
}

/// No block is processed meanwhile, so that the channel to the audio thread is full long before the
/// end.
#[test]
fn what_is_played_is_the_clip_that_is_shown_after_any_number_of_undos() {
    let mut fixture = EditorFixture::ready(egui::vec2(1020.0, 640.0), 1.0);
    fixture.click("Capture");
    fixture.host.deliver();
    fixture.pass(0.25);
    fixture.wait("a take", |view| view.phase == Phase::Captured);

    for round in 0..15 {
        fixture.click("Undo");
        fixture.wait("stems", |view| view.phase == Phase::Ready);
        if round < 14 {
            fixture.click("Redo");
            fixture.wait("the take", |view| view.phase == Phase::Captured);
        }
    }

    let begun = Instant::now();

    // The first call empties the channel; the deck that had to wait comes then.
    while fixture.end.deck().is_none() {
        assert!(
            begun.elapsed() < PATIENCE,
            "the stems that are shown are not played"
        );
        std::thread::sleep(Duration::from_millis(2));
    }

    fixture.click("Redo");
    fixture.wait("the take", |view| view.phase == Phase::Captured);

    assert!(fixture.end.deck().is_none());
}

#[test]
fn a_capture_that_is_gone_is_not_tried_again_but_found_again() {
    let mut fixture = EditorFixture::new();
    let gone = Fingerprint::of(b"stems that nobody has");
    let clip = clip(Some(gone));
    let path = fixture.home.folders.capture(&clip.audio);

    fixture.load(Some(clip));
    fixture.wait("what is missing", |view| {
        matches!(view.phase, Phase::Failed(_))
    });
    let said = format!(
        "The stems of this clip are no longer in the cache, and its capture is gone: {}",
        path.display()
    );

    assert!(fixture.shows(&said));
    assert!(!fixture.shows("Try again") && !fixture.can("Separate"));

    // The remedy is offered twice: in the header, and beside the message.
    assert_eq!(fixture.harness.query_all_by_label("Open file").count(), 2);
    let low = |rect: egui::Rect| rect.top() > 500.0;
    fixture
        .harness
        .query_all_by_label("Open file")
        .find(|node| low(node.rect()))
        .unwrap()
        .click();

    fixture.harness.run();
    assert!(fixture.shows("Open a file"));

    // The capture comes back, with the disk that it is on.
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    entry::write_wav(&path, SESSION_HZ, &vec![0.25; 2 * SESSION_HZ as usize]);
    fixture.wait("the job that makes the stems again", |view| {
        match &view.phase {
            Phase::Separating(_) => true,
            // The machine may have no `sextet` command, or one of another version.
            Phase::Failed(fault) => fault.can_be_tried_again(),
            _ => false,
        }
    });
}
