//! Audio in packets: every format that symphonia demuxes and decodes.

use std::path::{Path, PathBuf};

use symphonia::core::audio::{AudioSpec, Channels, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::{CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::packet::Packet;

use super::condition::Condition;
use super::guard::{DecoderFault, guard};
use super::read_error::{CodecName, ReadError};
use super::track::{
    MAX_PACKET_FRAMES, announced_frames, audio_params, check_params, codec_error, make_decoder,
    probe, trim_of,
};
use super::trim::Trim;
use super::{Layout, Speaker};

/// Largest number of successive packets without audio. After more of them, the rest of the file is
/// not audio.
const MAX_BARREN_PACKETS: u32 = 2000;
/// Number of frames in a block of silence.
const SILENCE_FRAMES: u64 = 16_384;

/// Reader of the first audio track of a file, packet by packet.
pub(super) struct PacketReader {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    params: AudioCodecParameters,
    track_id: u32,
    trim: Trim,
    /// Specification of the audio, known from the first decoded packet on.
    spec: Option<AudioSpec>,
    /// Number of decoded frames so far, silence included, before [`Trim`].
    position: u64,
    /// Number of frames of silence to return before the next block, in place of lost audio.
    silence: u64,
    waiting: Option<Vec<Vec<f32>>>,
    barren_packets: u32,
    over: bool,
    condition: Condition,
}

impl PacketReader {
    /// Opens the file under `path`, reads its properties and prepares a decoder.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let format = probe(path)?;
        let Some(track) = format.default_track(TrackType::Audio) else {
            let codec = CodecName::Unknown;
            return Err(ReadError::Codec {
                path: path.to_owned(),
                codec,
            });
        };

        let (track, params) = (track.clone(), audio_params(track).clone());
        check_params(path, &params)?;
        let trim = trim_of(&*format, &track, &params, path);
        let condition = Condition {
            announced_frames: announced_frames(&*format, &track, &params, &trim),
            ..Condition::default()
        };

        let decoder =
            make_decoder(&params).map_err(|fault| codec_error(path, params.codec, fault))?;
        Ok(Self {
            path: path.to_owned(),
            format,
            decoder,
            params,
            track_id: track.id,
            trim,
            spec: None,
            position: 0,
            silence: 0,
            waiting: None,
            barren_packets: 0,
            over: false,
            condition,
        })
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
        let spec = self.spec.as_ref()?;
        Some(Layout {
            channels: spec.channels().count(),
            rate_hz: spec.rate(),
        })
    }

    pub(super) fn speakers(&self) -> Vec<Speaker> {
        self.spec
            .as_ref()
            .map_or_else(Vec::new, |spec| speakers(spec.channels()))
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
            let Some(block) = self.next_decoded()? else {
                return Ok(None);
            };

            let frames = block[0].len();
            let kept = self.trim.kept(self.position, frames);
            self.position += frames as u64;

            if kept[0] == (0..frames) {
                return Ok(Some(block));
            }

            let cut = |channel: &Vec<f32>| {
                kept.iter()
                    .flat_map(|part| &channel[part.clone()])
                    .copied()
                    .collect()
            };

            let block: Vec<Vec<f32>> = block.iter().map(cut).collect();
            if !block[0].is_empty() {
                return Ok(Some(block));
            }
        }
    }

    /// Returns the next block before [`Trim`]: silence for lost audio, then the audio decoded after
    /// it.
    fn next_decoded(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        loop {
            if let (Some(block), true) = (&self.waiting, self.silence > 0) {
                let frames = self.silence.min(SILENCE_FRAMES);
                self.silence -= frames;
                return Ok(Some(vec![vec![0.0; frames as usize]; block.len()]));
            }

            if let Some(block) = self.waiting.take() {
                return Ok(Some(block));
            }

            if self.over || self.barren_packets > MAX_BARREN_PACKETS {
                return Ok(None);
            }

            if let Some(packet) = self.next_packet()? {
                self.waiting = self.decode(&packet);
                self.barren_packets = if self.waiting.is_some() {
                    0
                } else {
                    self.barren_packets + 1
                };
            }
        }
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

    /// Moves to the next stream of a chained Ogg file. Returns whether it has the same layout.
    fn next_stream(&mut self) -> bool {
        // The announced length is that of the first stream only.
        self.condition.announced_frames = None;
        let Some(track) = self.format.default_track(TrackType::Audio) else {
            return false;
        };

        let (id, params, delay) = (track.id, audio_params(track).clone(), track.delay);
        let same = params.codec == self.params.codec
            && params.channels == self.params.channels
            && params.sample_rate == self.params.sample_rate;

        match make_decoder(&params) {
            Ok(decoder) if same && check_params(&self.path, &params).is_ok() => {
                (self.track_id, self.decoder, self.params) = (id, decoder, params);
                if self.params.codec == CODEC_ID_OPUS {
                    self.trim = Trim {
                        delay: self.position + u64::from(delay.unwrap_or(0)),
                        ..Trim::default()
                    };
                }
                true
            }
            _ => {
                self.condition.other_stream = true;
                false
            }
        }
    }

    /// Decodes a packet. Returns `None` when it is empty or damaged.
    fn decode(&mut self, packet: &Packet) -> Option<Vec<Vec<f32>>> {
        self.fill_gap(packet);
        let mut planes = Vec::new();

        let decoder = &mut self.decoder;
        let decoded = guard(|| {
            decoder
                .decode(packet)
                .map(|buffer| copy(&buffer, &mut planes))
        });

        match decoded {
            Ok(spec) if self.spec.as_ref().is_none_or(|known| *known == spec) => {
                self.spec = Some(spec);
                let is_empty = planes.first().is_none_or(Vec::is_empty);
                // An MP3 packet always holds audio, even where symphonia returns none.
                if is_empty && self.params.codec == CODEC_ID_MP3 {
                    self.lose(packet.dur.get().min(MAX_PACKET_FRAMES));
                }
                (!is_empty).then_some(planes)
            }
            result => {
                if let Err(DecoderFault::Crashed) = result {
                    // The decoder's state may be half changed. Reset the decoder, or create a new
                    // one if it cannot be reset.
                    let reset = guard(|| {
                        self.decoder.reset();
                        Ok(())
                    });
                    if reset.is_err() {
                        self.decoder = make_decoder(&self.params).ok()?;
                    }
                }

                self.lose(packet.dur.get().min(MAX_PACKET_FRAMES));
                None
            }
        }
    }

    /// Fills a gap before a FLAC packet with silence. FLAC packets state their position, so audio
    /// that symphonia skipped before this one was damaged.
    fn fill_gap(&mut self, packet: &Packet) {
        let here = self.position + self.silence;
        let start = u64::try_from(packet.pts.get()).unwrap_or(0);
        let believable = self
            .condition
            .announced_frames
            .is_some_and(|total| start <= total);
        if self.params.codec == CODEC_ID_FLAC && believable && start > here {
            self.lose(start - here);
        }
    }

    fn lose(&mut self, frames: u64) {
        self.condition.lost_packets += 1;
        self.condition.silent_frames += frames;
        self.silence += frames;
    }
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
