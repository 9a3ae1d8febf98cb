//! Opus decoder for symphonia, which demuxes Opus streams but does not decode them.
//!
//! Source: RFC 7845 (Ogg encapsulation), section 5.1: the identification header, channel mapping
//! families 0 and 1. The actual decoder is `opus-pure`. The caller cuts off the pre-skip; the
//! output gain is applied here.

use opus_pure::OpusMSDecoder;
use symphonia::core::audio::{
    AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, Channels, GenericAudioBufferRef,
};
use symphonia::core::codecs::CodecInfo;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, FinalizeResult,
};
use symphonia::core::codecs::registry::{RegisterableAudioDecoder, SupportedAudioCodec};
use symphonia::core::errors::{Result, decode_error, unsupported_error};
use symphonia::core::packet::PacketRef;

/// Rate at which Opus is always decoded, whatever the encoder's input rate.
const RATE_HZ: u32 = 48_000;
/// Longest packet in frames: 120 ms.
const PACKET_FRAMES: usize = 5760;

/// Positions of the WAVE order's channels in the Vorbis order (RFC 7845, section 5.1.1.2), for each
/// number of channels.
const WAVE_ORDER: [&[usize]; 8] = [
    &[0],
    &[0, 1],
    &[0, 2, 1],
    &[0, 1, 2, 3],
    &[0, 2, 1, 3, 4],
    &[0, 2, 1, 5, 3, 4],
    &[0, 2, 1, 6, 5, 3, 4],
    &[0, 2, 1, 7, 5, 6, 3, 4],
];

/// Decoder of Opus packets, mono to 7.1.
pub(super) struct OpusDecoder {
    params: AudioCodecParameters,
    decoder: OpusMSDecoder,
    order: &'static [usize],
    gain: f32,
    pcm: Vec<f32>,
    out: AudioBuffer<f32>,
}

/// Returns the identification header of mono or stereo with the default mapping, for a container
/// that has none, such as CAF.
pub(super) fn plain_head(channels: u8) -> Box<[u8]> {
    let mut head = b"OpusHead\x01\0\0\0\x80\xbb\0\0\0\0\0".to_vec();
    head[9] = channels;
    head.into()
}

/// Returns the delay that an identification header states, in frames.
pub(super) fn pre_skip(head: &[u8]) -> Option<u64> {
    let bytes = [*head.get(10)?, *head.get(11)?];
    let is_head = head.starts_with(b"OpusHead") && head[8] != 0;
    is_head.then(|| u64::from(u16::from_le_bytes(bytes)))
}

/// Fields of an `OpusHead` that this decoder needs.
struct OpusHead {
    channels: usize,
    gain: f32,
    family: u8,
}

impl OpusHead {
    fn parse(head: &[u8]) -> Option<Self> {
        if head.get(..8)? != b"OpusHead" {
            return None;
        }

        // The gain is stored in Q7.8 decibels, in MP4 (version 0) with the high byte first.
        let bytes = [*head.get(16)?, *head.get(17)?];
        let gain = match head.get(8)? {
            0 => i16::from_be_bytes(bytes),
            _ => i16::from_le_bytes(bytes),
        };
        let gain_db = f32::from(gain) / 256.0;
        Some(Self {
            channels: usize::from(*head.get(9)?),
            gain: 10_f32.powf(gain_db / 20.0),
            family: *head.get(18)?,
        })
    }
}

impl AudioDecoder for OpusDecoder {
    fn codec_info(&self) -> &CodecInfo {
        &SUPPORTED[0].info
    }

    fn reset(&mut self) {
        // A decoder that cannot be reset keeps its state, which fades out within a packet or two.
        let _ = self.decoder.reset_state();
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.params
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.out.clear();
        if packet.data.is_empty() {
            return decode_error("opus: empty packet");
        }

        let Ok(frames) = self
            .decoder
            .decode(packet.data, PACKET_FRAMES, &mut self.pcm)
        else {
            return decode_error("opus: invalid packet");
        };

        self.out.render_uninit(Some(frames));
        let channels = self.order.len();
        for (plane, &from) in self.out.iter_planes_mut().zip(self.order) {
            for (sample, frame) in plane.iter_mut().zip(self.pcm.chunks_exact(channels)) {
                *sample = frame[from] * self.gain;
            }
        }

        let cut = packet.trim_end.get().min(frames as u64) as usize;
        self.out.trim(0, cut);
        Ok(self.out.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.out.as_generic_audio_buffer_ref()
    }
}

impl RegisterableAudioDecoder for OpusDecoder {
    fn try_registry_new(
        params: &AudioCodecParameters,
        _: &AudioDecoderOptions,
    ) -> Result<Box<dyn AudioDecoder>> {
        let Some(head) = params.extra_data.as_deref().and_then(OpusHead::parse) else {
            return decode_error("opus: no identification header");
        };

        let Some(&order) = head
            .channels
            .checked_sub(1)
            .and_then(|index| WAVE_ORDER.get(index))
        else {
            return unsupported_error("opus: more than eight channels");
        };

        if head.family > 1 {
            return unsupported_error("opus: channel mapping family");
        }

        let Ok(decoder) = OpusMSDecoder::new(RATE_HZ as i32, head.channels, head.family) else {
            return unsupported_error("opus: channel mapping");
        };

        let channels = wave_channels(head.channels);
        Ok(Box::new(Self {
            params: params.clone(),
            decoder,
            order,
            gain: head.gain,
            pcm: vec![0.0; PACKET_FRAMES * head.channels],
            out: AudioBuffer::new(AudioSpec::new(RATE_HZ, channels), PACKET_FRAMES),
        }))
    }

    fn supported_codecs() -> &'static [SupportedAudioCodec] {
        SUPPORTED
    }
}

const SUPPORTED: &[SupportedAudioCodec] = &[SupportedAudioCodec {
    id: CODEC_ID_OPUS,
    info: CodecInfo {
        short_name: "opus",
        long_name: "Opus",
        profiles: &[],
    },
}];

/// Returns the usual WAVE positions of the given number of channels.
fn wave_channels(channels: usize) -> Channels {
    use symphonia::core::audio::Position;
    let mask = super::Speaker::usual_wave_mask(channels);
    Position::from_wave_channel_mask(mask)
        .map_or(Channels::Discrete(channels as u16), Channels::Positioned)
}
