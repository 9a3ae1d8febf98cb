//! The interfaces of the VST3 class, method by method: forwarded to nice-plug's wrapper, except for
//! the few that the plugin implements itself.

#![allow(non_snake_case, reason = "the names are VST3's")]

use nice_plug::prelude::Vst3Plugin;
use nice_plug::wrapper::vst3::Wrapper;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::*;
use nice_plug::wrapper::vst3::vst3::Steinberg::*;

use super::Shim;

/// Forwards the listed methods of one interface to nice-plug's implementation of it. Those in
/// braces are the plugin's own.
macro_rules! forward {
    ($trait:path { $($own:item)* } $(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl<P: Vst3Plugin> $trait for Shim<P> {
            $($own)*
            $(unsafe fn $name(&self, $($arg: $ty),*) -> $ret {
                // SAFETY: forwarded as it came.
                unsafe { <Wrapper<P> as $trait>::$name(&self.inner, $($arg),*) }
            })*
        }
    };
}

forward!(IPluginBaseTrait {}
    fn initialize(context: *mut FUnknown) -> tresult;
    fn terminate() -> tresult;
);

forward!(IComponentTrait {
        unsafe fn getBusInfo(&self, kind: MediaType, dir: BusDirection, index: int32, bus: *mut BusInfo) -> tresult {
            // SAFETY: forwarded as it came.
            unsafe { self.bus_info(kind, dir, index, bus) }
        }
        unsafe fn setActive(&self, state: TBool) -> tresult {
            // SAFETY: forwarded as it came.
            unsafe { self.set_active(state) }
        }
    }
    fn getControllerClassId(id: *mut TUID) -> tresult;
    fn setIoMode(mode: IoMode) -> tresult;
    fn getBusCount(kind: MediaType, dir: BusDirection) -> int32;
    fn getRoutingInfo(i: *mut RoutingInfo, o: *mut RoutingInfo) -> tresult;
    fn activateBus(kind: MediaType, dir: BusDirection, index: int32, state: TBool) -> tresult;
    fn setState(state: *mut IBStream) -> tresult;
    fn getState(state: *mut IBStream) -> tresult;
);

forward!(IAudioProcessorTrait {
        unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
            // SAFETY: forwarded as it came.
            unsafe { self.setup_processing(setup) }
        }
        unsafe fn process(&self, data: *mut ProcessData) -> tresult {
            // SAFETY: forwarded as it came.
            unsafe { self.process_block(data) }
        }
        unsafe fn setBusArrangements(&self, i: *mut SpeakerArrangement, ni: int32, o: *mut SpeakerArrangement, no: int32) -> tresult {
            // SAFETY: forwarded as it came.
            unsafe { self.set_bus_arrangements(i, ni, o, no) }
        }
        unsafe fn getBusArrangement(&self, dir: BusDirection, index: int32, arr: *mut SpeakerArrangement) -> tresult {
            // SAFETY: forwarded as it came.
            unsafe { self.bus_arrangement(dir, index, arr) }
        }
    }
    fn canProcessSampleSize(size: int32) -> tresult;
    fn getLatencySamples() -> uint32;
    fn setProcessing(state: TBool) -> tresult;
    fn getTailSamples() -> uint32;
);

forward!(IEditControllerTrait {}
    fn setComponentState(state: *mut IBStream) -> tresult;
    fn setState(state: *mut IBStream) -> tresult;
    fn getState(state: *mut IBStream) -> tresult;
    fn getParameterCount() -> int32;
    fn getParameterInfo(i: int32, info: *mut ParameterInfo) -> tresult;
    fn getParamStringByValue(id: ParamID, v: ParamValue, s: *mut String128) -> tresult;
    fn getParamValueByString(id: ParamID, s: *mut TChar, v: *mut ParamValue) -> tresult;
    fn normalizedParamToPlain(id: ParamID, v: ParamValue) -> ParamValue;
    fn plainParamToNormalized(id: ParamID, v: ParamValue) -> ParamValue;
    fn getParamNormalized(id: ParamID) -> ParamValue;
    fn setParamNormalized(id: ParamID, v: ParamValue) -> tresult;
    fn setComponentHandler(handler: *mut IComponentHandler) -> tresult;
    fn createView(name: FIDString) -> *mut IPlugView;
);

forward!(IProcessContextRequirementsTrait {}
    fn getProcessContextRequirements() -> uint32;
);

forward!(IUnitInfoTrait {}
    fn getUnitCount() -> int32;
    fn getUnitInfo(i: int32, info: *mut UnitInfo) -> tresult;
    fn getProgramListCount() -> int32;
    fn getProgramListInfo(i: int32, info: *mut ProgramListInfo) -> tresult;
    fn getProgramName(id: ProgramListID, i: int32, name: *mut String128) -> tresult;
    fn getProgramInfo(id: ProgramListID, i: int32, attribute: Vst::CString, value: *mut String128) -> tresult;
    fn hasProgramPitchNames(id: ProgramListID, i: int32) -> tresult;
    fn getProgramPitchName(id: ProgramListID, i: int32, pitch: int16, name: *mut String128) -> tresult;
    fn getSelectedUnit() -> UnitID;
    fn selectUnit(id: UnitID) -> tresult;
    fn getUnitByBus(kind: MediaType, dir: BusDirection, bus: int32, channel: int32, id: *mut UnitID) -> tresult;
    fn setUnitProgramData(id: int32, i: int32, data: *mut IBStream) -> tresult;
);
