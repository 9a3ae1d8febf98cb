//! Speaker positions of channels.

/// Position of a channel, as precisely as folding to stereo requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speaker {
    /// Front left.
    FrontLeft,
    /// Front right.
    FrontRight,
    /// Front centre, or the only channel of mono.
    FrontCenter,
    /// Low-frequency effects.
    Lfe,
    /// Rear left (BS.775's left surround where there is no side pair).
    RearLeft,
    /// Rear right.
    RearRight,
    /// Front, left of centre.
    FrontLeftCenter,
    /// Front, right of centre.
    FrontRightCenter,
    /// Rear centre (a single surround channel).
    RearCenter,
    /// Side left.
    SideLeft,
    /// Side right.
    SideRight,
    /// Any position above or below, or a discrete channel without a known side.
    Other,
}

use Speaker::{
    FrontCenter, FrontLeft, FrontRight, Lfe, Other, RearCenter, RearLeft, RearRight, SideLeft,
    SideRight,
};

impl Speaker {
    /// Returns the usual speakers of a file with the given number of channels that does not state
    /// them: mono, stereo, 3.0, quadraphonic, 5.0, 5.1, 6.1 and 7.1 in the order of WAVE files
    /// (Microsoft, "Default Channel Ordering"). More than eight channels are all
    /// [`Speaker::Other`].
    pub fn usual(channels: usize) -> Vec<Self> {
        match channels {
            1 => vec![FrontCenter],
            2 => vec![FrontLeft, FrontRight],
            3 => vec![FrontLeft, FrontRight, FrontCenter],
            4 => vec![FrontLeft, FrontRight, RearLeft, RearRight],
            5 => vec![FrontLeft, FrontRight, FrontCenter, RearLeft, RearRight],
            6 => vec![FrontLeft, FrontRight, FrontCenter, Lfe, RearLeft, RearRight],
            7 => vec![
                FrontLeft,
                FrontRight,
                FrontCenter,
                Lfe,
                RearCenter,
                SideLeft,
                SideRight,
            ],
            8 => vec![
                FrontLeft,
                FrontRight,
                FrontCenter,
                Lfe,
                RearLeft,
                RearRight,
                SideLeft,
                SideRight,
            ],
            more => vec![Other; more],
        }
    }

    /// Returns the speakers of a WAVE channel mask, in the order of their channels, or `None` when
    /// the mask does not name exactly `channels` channels.
    pub fn from_wave_mask(mask: u32, channels: usize) -> Option<Vec<Self>> {
        (mask.count_ones() as usize == channels).then(|| {
            (0..32)
                .filter(|bit| mask & (1 << bit) != 0)
                .map(Self::from_wave_bit)
                .collect()
        })
    }

    /// Returns the speaker of one bit of a WAVE channel mask.
    pub fn from_wave_bit(bit: u32) -> Self {
        match bit {
            0 => FrontLeft,
            1 => FrontRight,
            2 => FrontCenter,
            3 => Lfe,
            4 => RearLeft,
            5 => RearRight,
            6 => Self::FrontLeftCenter,
            7 => Self::FrontRightCenter,
            8 => RearCenter,
            9 => SideLeft,
            10 => SideRight,
            _ => Other,
        }
    }

    /// Returns the WAVE channel mask of [`Speaker::usual`].
    pub fn usual_wave_mask(channels: usize) -> u32 {
        match channels {
            1 => 0x4,
            2 => 0x3,
            3 => 0x7,
            4 => 0x33,
            5 => 0x37,
            6 => 0x3f,
            7 => 0x70f,
            8 => 0x63f,
            _ => 0,
        }
    }
}
