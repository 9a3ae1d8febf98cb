//! Audio in packets: every format that symphonia demuxes and decodes.

mod gaps;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use symphonia::core::audio::{AudioSpec, Channels, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::well_known::FORMAT_ID_FLAC;
use symphonia::core::formats::{FormatReader, Track, TrackType};
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

use super::codec_name::CodecName;
use super::condition::{Condition, Tracks};
use super::conform::Conform;
use super::flac::frame::{self, Frame};
use super::guard::{DecoderFault, guard};
use super::limits::{MAX_CHANNELS, RATES_HZ};
use super::mend::{Gap, Mended, Part};
use super::read_error::ReadError;
use super::track::{
    self, MAX_PACKET_FRAMES, Opened, announced_frames, audio_tracks, check_params, codec_error,
    completed, make_decoder, trim_of,
};
use super::trim::Trim;
use super::{Audio, Layout, Speaker, sbr};

/// Largest number of successive packets without audio. After more of them, the rest of the file is
/// not audio.
const MAX_BARREN_PACKETS: u32 = 2000;
/// Number of frames in a block of silence.
const SILENCE_FRAMES: u64 = 16_384;

/// Reader of one audio track of a file, packet by packet.
pub(super) struct PacketReader {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    params: AudioCodecParameters,
    track_id: u32,
    /// Unit of the packets' lengths in seconds, if known.
    time_base: Option<TimeBase>,
    /// Packets of the track that have been read ahead.
    ahead: VecDeque<Packet>,
    trim: Trim,
    /// Part of the file that is being decoded.
    part: Part,
    /// Further passes: through the track, where the edits go back in time, and through further
    /// parts of the file.
    passes: VecDeque<Pass>,
    /// Layout of all blocks, known from the first decoded packet on.
    layout: Option<Layout>,
    /// Specification of the audio, known from the first decoded packet on.
    spec: Option<AudioSpec>,
    /// Number of decoded frames so far, silence included, before [`Trim`].
    position: u64,
    /// Position that FLAC packets state, less [`PacketReader::position`]. It is known from the
    /// first packet on.
    flac_offset: Option<i64>,
    /// Damaged stretches of an Ogg file, which have not been reached as yet.
    gaps: VecDeque<Gap>,
    /// Number of the stream of a chained Ogg file that is being decoded, from 0.
    stream: usize,
    /// Number of frames of silence to return before the next block, in place of lost audio.
    silence: u64,
    waiting: Option<Block>,
    conform: Option<Conform>,
    barren_packets: u32,
    over: bool,
    condition: Condition,
}

/// Pass through a part of the file.
#[derive(Default)]
struct Pass {
    trim: Trim,
    part: Part,
}

/// Decoded audio before it has the layout of the stream.
struct Block {
    planes: Vec<Vec<f32>>,
    rate_hz: u32,
}

impl Block {
    fn frames(&self) -> usize {
        self.planes[0].len()
    }

    fn layout(&self) -> Layout {
        Layout {
            channels: self.planes.len(),
            rate_hz: self.rate_hz,
        }
    }
}

impl PacketReader {
    /// Opens the file under `path`, reads its properties and prepares a decoder for the first audio
    /// track that can be decoded.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let Opened { format, mended } = track::open(path)?;
        let chosen = choose(&*format, path)?;

        let trims = match &mended.trim {
            Some(trim) => vec![trim.clone()],
            None => trim_of(&*format, &chosen.track, &chosen.params, path),
        };
        let announced_frames = announced(&*format, &chosen, &mended, &trims);
        let mut passes = passes(trims, &mended);
        let Pass { trim, part } = passes.pop_front().unwrap_or_default();

        let condition = Condition {
            announced_frames,
            cut_off: mended.cut_off,
            tracks: chosen.tracks,
            damaged_pages: mended.damaged_pages,
            notes: mended.notes,
            ..Condition::default()
        };
        let mut reader = Self {
            path: path.to_owned(),
            format,
            decoder: chosen.decoder,
            track_id: chosen.track.id,
            time_base: chosen.track.time_base,
            params: chosen.params,
            ahead: VecDeque::new(),
            trim,
            passes,
            part,
            layout: widest(&mended.layouts),
            spec: None,
            position: 0,
            flac_offset: None,
            gaps: mended.gaps.into(),
            stream: 0,
            silence: 0,
            waiting: None,
            conform: None,
            barren_packets: 0,
            over: false,
            condition,
        };
        reader.refuse_he_aac()?;
        Ok(reader)
    }

    /// Looks at the first packets of AAC and returns an error for HE-AAC, of which only the lower
    /// half of the spectrum would be decoded.
    fn refuse_he_aac(&mut self) -> Result<(), ReadError> {
        if self.params.codec != CODEC_ID_AAC {
            return Ok(());
        }

        let mut ahead = VecDeque::new();
        for _ in 0..4 * sbr::PACKETS {
            if self.over || ahead.len() == sbr::PACKETS {
                break;
            }
            ahead.extend(self.next_packet()?);
        }
        self.ahead = ahead;

        if sbr::is_he_aac(self.ahead.iter().map(|packet| &*packet.data)) {
            return Err(ReadError::Codec {
                path: self.path.clone(),
                codec: CodecName::Named("HE-AAC"),
            });
        }
        Ok(())
    }

    /// Returns the codec's name in lower case.
    pub(super) fn codec(&self) -> &'static str {
        self.decoder.codec_info().short_name
    }

    /// Returns the number of bits of a sample, for codecs that define it.
    pub(super) fn bits(&self) -> Option<u32> {
        self.params.bits_per_sample.filter(|&bits| bits > 0)
    }

    /// Returns the channels and the rate, known once a block has been read.
    pub(super) fn layout(&self) -> Option<Layout> {
        self.spec.as_ref().and(self.layout)
    }

    pub(super) fn speakers(&self) -> Vec<Speaker> {
        let (Some(layout), Some(spec)) = (self.layout, &self.spec) else {
            return Vec::new();
        };
        if spec.channels().count() == layout.channels {
            speakers(spec.channels())
        } else {
            Speaker::usual(layout.channels)
        }
    }

    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    pub(super) fn condition_mut(&mut self) -> &mut Condition {
        &mut self.condition
    }

    /// Returns the next block, planar, of at least one frame.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        loop {
            if self.trim.is_over(self.position) {
                match self.passes.pop_front() {
                    Some(pass) => self.restart(pass)?,
                    None => return self.rest(),
                }
            }
            let Some(block) = self.next_decoded()? else {
                if self.passes.is_empty() {
                    return self.rest();
                }
                // The rest of the edits does not depend on the end of this one.
                self.position = u64::MAX;
                continue;
            };

            let block = self.cut(block);
            let planes = self.conformed(block)?;
            if !planes[0].is_empty() {
                return Ok(Some(planes));
            }
        }
    }

    /// Returns the frames of `block` that belong to the song, and moves on.
    fn cut(&mut self, mut block: Block) -> Block {
        let frames = block.frames();
        let kept: Vec<_> = self.trim.kept(self.position, frames).collect();
        self.position += frames as u64;

        if !matches!(&kept[..], [all] if *all == (0..frames)) {
            let cut = |channel: &Vec<f32>| {
                let parts = kept.iter().map(|part| &channel[part.clone()]);
                parts.flatten().copied().collect()
            };
            block.planes = block.planes.iter().map(cut).collect();
        }
        block
    }

    /// Returns `block` in the layout of the stream, which is that of the first one unless the file
    /// has been found to change to a wider one.
    fn conformed(&mut self, block: Block) -> Result<Vec<Vec<f32>>, ReadError> {
        let layout = *self.layout.get_or_insert(block.layout());
        if block.layout() == layout && self.conform.is_none() {
            return Ok(block.planes);
        }
        if block.frames() == 0 {
            return Ok(vec![Vec::new(); layout.channels]);
        }

        let conform = self.conform.get_or_insert_with(|| Conform::new(layout));
        conform
            .push(Audio::new(block.planes, block.rate_hz))
            .map_err(|error| damaged(&self.path, error))
    }

    /// Returns what is left in the converter at the end.
    fn rest(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        self.over = true;
        let Some(mut conform) = self.conform.take() else {
            return Ok(None);
        };
        let rest = conform
            .finish()
            .map_err(|error| damaged(&self.path, error))?;
        Ok(Some(rest).filter(|rest| !rest[0].is_empty()))
    }

    /// Begins another pass.
    fn restart(&mut self, pass: Pass) -> Result<(), ReadError> {
        self.format = track::probe(&self.path, &pass.part)?;
        let chosen = choose(&*self.format, &self.path)?;
        (self.params, self.decoder) = (chosen.params, chosen.decoder);
        (self.track_id, self.time_base) = (chosen.track.id, chosen.track.time_base);

        (self.trim, self.part) = (pass.trim, pass.part);
        (self.position, self.silence, self.flac_offset) = (0, 0, None);
        (self.waiting, self.barren_packets, self.over) = (None, 0, false);
        self.ahead.clear();
        Ok(())
    }

    /// Returns the next block before [`Trim`]: silence for lost audio, then the audio decoded after
    /// it.
    fn next_decoded(&mut self) -> Result<Option<Block>, ReadError> {
        loop {
            if let Some(layout) = self.waiting.as_ref().map(Block::layout)
                && self.silence > 0
            {
                return Ok(Some(self.silent_block(layout)));
            }

            if let Some(block) = self.waiting.take() {
                return Ok(Some(block));
            }

            let read_ahead = self.ahead.pop_front();
            if read_ahead.is_none() && self.is_exhausted() {
                return Ok(self.last_silence());
            }

            let packet = match read_ahead {
                Some(packet) => Some(packet),
                None => match self.next_packet()? {
                    Some(packet) => self.bridged(packet)?,
                    None => None,
                },
            };
            if let Some(packet) = packet {
                self.waiting = self.decode(&packet);
                self.barren_packets = if self.waiting.is_some() {
                    0
                } else {
                    self.barren_packets + 1
                };
            }
        }
    }

    /// Returns whether no packet is to come.
    fn is_exhausted(&self) -> bool {
        self.over || self.barren_packets > MAX_BARREN_PACKETS
    }

    /// Returns the next packet of the track, or `None` when this call found none.
    /// [`PacketReader::over`] tells whether the file has ended.
    fn next_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        match guard(|| self.format.next_packet()) {
            Ok(Some(packet)) => {
                return Ok(Some(packet).filter(|packet| packet.track_id == self.track_id));
            }
            Ok(None) => self.over = true,
            Err(DecoderFault::Refused(SymphoniaError::ResetRequired)) => {
                self.over = !self.next_stream()
            }
            Err(DecoderFault::Refused(SymphoniaError::IoError(source)))
                if source.kind() != std::io::ErrorKind::UnexpectedEof =>
            {
                return Err(ReadError::Unreadable {
                    path: self.path.clone(),
                    source,
                });
            }
            Err(DecoderFault::Refused(SymphoniaError::DecodeError(_))) => {
                self.barren_packets += 1;
                self.condition.cut_off = self.barren_packets > MAX_BARREN_PACKETS;
            }
            Err(_) => {
                self.condition.cut_off = true;
                self.over = true;
            }
        }
        Ok(None)
    }

    /// Moves to the next stream of a chained Ogg file. Returns whether it can be decoded.
    fn next_stream(&mut self) -> bool {
        self.stream += 1;
        // The announced length is that of the first stream only.
        self.condition.announced_frames = None;
        let Some(track) = self.format.default_track(TrackType::Audio) else {
            return false;
        };

        let (id, params, delay) = (track.id, completed(track), track.delay);
        match make_decoder(&params) {
            Ok(decoder) if check_params(&self.path, &params).is_ok() => {
                (self.track_id, self.decoder, self.params) = (id, decoder, params);
                let delay = match self.params.codec {
                    CODEC_ID_OPUS => u64::from(delay.unwrap_or(0)),
                    _ => 0,
                };
                self.trim = Trim::from_frame(self.position + delay);
                true
            }
            _ => {
                self.condition.other_stream = true;
                false
            }
        }
    }

    /// Decodes a packet. Returns `None` when it is empty or damaged.
    fn decode(&mut self, packet: &Packet) -> Option<Block> {
        self.fill_gap(packet);
        if self.is_damaged_flac(packet) {
            let frame = Frame::parse(&packet.data);
            self.lose(frame.map_or_else(|| self.frames_of(packet), |frame| frame.samples.into()));
            return None;
        }
        let mut planes = Vec::new();

        let mut decoded = decode(&mut *self.decoder, packet, &mut planes);
        if let Err(DecoderFault::Refused(SymphoniaError::DecodeError(OTHER_LAYOUT))) = decoded {
            self.decoder = make_decoder(&self.params).ok()?;
            decoded = decode(&mut *self.decoder, packet, &mut planes);
        }

        match decoded {
            Ok(spec) if self.spec.is_none() || is_sound(&spec) => {
                let rate_hz = spec.rate();
                self.note_change(spec);
                let is_empty = planes.first().is_none_or(Vec::is_empty);
                // An MP3 packet always holds audio, even where symphonia returns none.
                if is_empty && self.params.codec == CODEC_ID_MP3 {
                    self.lose(self.frames_of(packet));
                }
                (!is_empty).then_some(Block { planes, rate_hz })
            }
            result => {
                if let Err(DecoderFault::Crashed) = result {
                    self.recover()?;
                }
                self.lose(self.frames_of(packet));
                None
            }
        }
    }

    /// Resets a decoder that has crashed, whose state may be half changed, or creates a new one if
    /// it cannot be reset.
    fn recover(&mut self) -> Option<()> {
        let reset = guard(|| {
            self.decoder.reset();
            Ok(())
        });
        if reset.is_err() {
            self.decoder = make_decoder(&self.params).ok()?;
        }
        Some(())
    }

    /// Returns whether a packet is FLAC whose checksum is wrong. symphonia compares it in FLAC
    /// files alone, and gives noise for damage in other containers.
    fn is_damaged_flac(&self, packet: &Packet) -> bool {
        self.params.codec == CODEC_ID_FLAC
            && self.format.format_info().format != FORMAT_ID_FLAC
            && !frame::is_whole(&packet.data)
    }

    /// Takes the specification of a packet, which may be another one than before.
    fn note_change(&mut self, spec: AudioSpec) {
        let layout = |spec: &AudioSpec| Layout {
            channels: spec.channels().count(),
            rate_hz: spec.rate(),
        };
        let after = layout(&spec);
        if let Some(before) = self
            .spec
            .as_ref()
            .map(layout)
            .filter(|&before| before != after)
        {
            let frames = self.condition.frames;
            self.condition.change.get_or_insert((frames, before, after));
            self.condition.announced_frames = None;
        } else {
            self.spec.get_or_insert(spec);
            return;
        }

        // The speakers are those of the layout that the stream has.
        let is_wanted = self
            .layout
            .is_some_and(|wanted| wanted.channels == after.channels);
        let is_known = self.layout.is_some_and(|wanted| {
            self.spec.as_ref().map(layout).map(|known| known.channels) == Some(wanted.channels)
        });
        if is_wanted || !is_known {
            self.spec = Some(spec);
        }
    }

    /// Returns the number of frames that a packet holds by its container's account.
    fn frames_of(&self, packet: &Packet) -> u64 {
        let ticks = packet.dur.get();
        let rate_hz = self.params.sample_rate.unwrap_or(0);
        let frames = self.time_base.map_or(ticks, |base| {
            let frames = u128::from(ticks) * u128::from(base.numer.get()) * u128::from(rate_hz);
            u64::try_from(frames / u128::from(base.denom.get())).unwrap_or(u64::MAX)
        });
        frames.min(MAX_PACKET_FRAMES)
    }
}

/// Returns the passes of a file: through its first part once for each of `trims`, at least one, and
/// through the further parts.
fn passes(trims: Vec<Trim>, mended: &Mended) -> VecDeque<Pass> {
    let first = trims.into_iter().map(|trim| Pass {
        trim,
        part: mended.part.clone(),
    });
    let more = mended.more.iter().map(|part| Pass {
        trim: Trim::default(),
        part: part.clone(),
    });
    first.chain(more).collect()
}

/// Returns the length of a file, if it states it. One in the header is that of the first part of a
/// joined or a cut file.
fn announced(
    format: &dyn FormatReader,
    chosen: &Chosen,
    mended: &Mended,
    trims: &[Trim],
) -> Option<u64> {
    let kept = trims.iter().map(Trim::frames).sum();
    let is_part = mended.trim.is_some()
        || !mended.layouts.is_empty()
        || mended.part.flac_start().is_some_and(|start| start > 0);
    match (&mended.trim, is_part) {
        (Some(_), _) if mended.layouts.is_empty() => kept,
        (_, true) => None,
        _ => announced_frames(format, &chosen.track, &chosen.params, kept),
    }
}

/// Track that is decoded.
struct Chosen {
    track: Track,
    params: AudioCodecParameters,
    decoder: Box<dyn AudioDecoder>,
    /// Facts about the other tracks, if there are any.
    tracks: Option<Tracks>,
}

/// Chooses the first audio track that can be decoded.
fn choose(format: &dyn FormatReader, path: &Path) -> Result<Chosen, ReadError> {
    let all = audio_tracks(format);
    let mut refused = None;
    for (index, track) in all.iter().enumerate() {
        let params = completed(track);
        let decoder = check_params(path, &params).and_then(|()| {
            make_decoder(&params).map_err(|fault| codec_error(path, params.codec, fault))
        });

        match decoder {
            Ok(decoder) => {
                let tracks = (all.len() > 1).then(|| Tracks {
                    used: index + 1,
                    count: all.len(),
                    refused: refused.as_ref().map(refused_codec),
                });
                return Ok(Chosen {
                    track: track.clone(),
                    params,
                    decoder,
                    tracks,
                });
            }
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }

    // The reason is that of the first track, which is the one to be heard.
    Err(refused.unwrap_or_else(|| ReadError::Codec {
        path: path.to_owned(),
        codec: CodecName::Unknown,
    }))
}

fn refused_codec(error: &ReadError) -> CodecName {
    match error {
        ReadError::Codec { codec, .. } => *codec,
        _ => CodecName::Unknown,
    }
}

/// Returns the layout into which all of `layouts` fit.
fn widest(layouts: &[Layout]) -> Option<Layout> {
    Some(Layout {
        channels: layouts.iter().map(|layout| layout.channels).max()?,
        rate_hz: layouts.iter().map(|layout| layout.rate_hz).max()?,
    })
}

/// Returns whether audio of this specification can be handled.
fn is_sound(spec: &AudioSpec) -> bool {
    (1..=MAX_CHANNELS).contains(&spec.channels().count()) && RATES_HZ.contains(&spec.rate())
}

fn damaged(path: &Path, error: crate::Error) -> ReadError {
    ReadError::Damaged {
        path: path.to_owned(),
        source: Some(error.into()),
    }
}

/// Error of symphonia's decoder of MPEG audio for a packet of another layout than the first one.
const OTHER_LAYOUT: &str = "mpa: invalid audio buffer signal spec for packet";

/// Decodes a packet into `planes` and returns their specification.
fn decode(
    decoder: &mut dyn AudioDecoder,
    packet: &Packet,
    planes: &mut Vec<Vec<f32>>,
) -> Result<AudioSpec, DecoderFault> {
    guard(|| decoder.decode(packet).map(|buffer| copy(&buffer, planes)))
}

/// Copies the decoded audio out of the decoder, as float32.
fn copy(buffer: &GenericAudioBufferRef<'_>, planes: &mut Vec<Vec<f32>>) -> AudioSpec {
    buffer.copy_to_vecs_planar::<f32>(planes);
    buffer.spec().clone()
}

fn speakers(channels: &Channels) -> Vec<Speaker> {
    match channels {
        // The first 18 positions are those of WAVE.
        Channels::Positioned(positions) => {
            let bits = positions.bits();
            (0..u64::BITS)
                .filter(|bit| bits & (1 << bit) != 0)
                .map(Speaker::from_wave_bit)
                .collect()
        }
        other => Speaker::usual(other.count()),
    }
}
