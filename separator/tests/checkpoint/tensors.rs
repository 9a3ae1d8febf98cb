//! Tensors that are missing, misshapen, left over or not numbers.

use sextet_cases::each_case;

use super::*;

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let rename = |to: &'static str| tensor(move |tensor| tensor.name = to.to_owned());
    let shape = |shape: &'static [usize]| {
        tensor(move |tensor| {
            *tensor = Tensor::new(
                TENSOR,
                shape,
                Dtype::F32,
                &vec![0.0; shape.iter().product()],
            )
        })
    };

    let dtype = |dtype| tensor(move |tensor| *tensor = Tensor::new(TENSOR, &[4], dtype, &[0.0; 4]));
    let value = |at: usize, value: f32, dtype| {
        let mut values = [0.5; 4];
        values[at] = value;
        tensor(move |tensor| *tensor = Tensor::new(TENSOR, &[4], dtype, &values))
    };

    let extra = |count: usize| {
        edited(|checkpoint| {
            let extra = |index| Tensor::new(&format!("extra.{index}"), &[0, 7], Dtype::F32, &[]);
            checkpoint.tensors.extend((0..count).map(extra));
        })
    };

    let none = edited(|checkpoint| checkpoint.tensors.clear());
    let cases: Vec<(&str, Vec<u8>, &str, Vec<&str>)> = vec![
        (
            "no tensors",
            none,
            "MissingTensor",
            vec!["lacks the tensor", "of shape"],
        ),
        (
            "renamed",
            rename("encoder.0.conv.bios"),
            "MissingTensor",
            vec![TENSOR, "[4]"],
        ),
        (
            "longer",
            shape(&[5]),
            "TensorShape",
            vec![TENSOR, "[5]", "[4]"],
        ),
        (
            "empty",
            shape(&[0]),
            "TensorShape",
            vec![TENSOR, "[0]", "[4]"],
        ),
        (
            "scalar",
            shape(&[]),
            "TensorShape",
            vec![TENSOR, "[]", "[4]"],
        ),
        (
            "another rank",
            shape(&[2, 2]),
            "TensorShape",
            vec![TENSOR, "[2, 2]", "[4]"],
        ),
        (
            "one more axis",
            shape(&[4, 1]),
            "TensorShape",
            vec![TENSOR, "[4, 1]"],
        ),
        (
            "one extra",
            extra(1),
            "ExtraTensors",
            vec!["1 tensors", "extra.0"],
        ),
        (
            "many extra",
            extra(300),
            "ExtraTensors",
            vec!["300 tensors", "extra.0"],
        ),
        (
            "I64",
            dtype(Dtype::I64),
            "TensorType",
            vec![TENSOR, "I64", "F32, F16 or BF16"],
        ),
        (
            "F64",
            dtype(Dtype::F64),
            "TensorType",
            vec![TENSOR, "F64", "F32, F16 or BF16"],
        ),
        (
            "NaN",
            value(2, f32::NAN, Dtype::F32),
            "NotFinite",
            vec![TENSOR, "NaN", "element 2"],
        ),
        (
            "infinity",
            value(0, f32::INFINITY, Dtype::F32),
            "NotFinite",
            vec![TENSOR, "inf", "element 0"],
        ),
        (
            "minus infinity",
            value(3, f32::NEG_INFINITY, Dtype::F32),
            "NotFinite",
            vec!["-inf", "element 3"],
        ),
        (
            "NaN in F16",
            value(1, f32::NAN, Dtype::F16),
            "NotFinite",
            vec![TENSOR, "NaN", "element 1"],
        ),
        (
            "too large for F16",
            value(1, 1e6, Dtype::F16),
            "NotFinite",
            vec![TENSOR, "inf", "element 1"],
        ),
        (
            "infinity in BF16",
            value(1, f32::INFINITY, Dtype::BF16),
            "NotFinite",
            vec![TENSOR, "inf"],
        ),
    ];

    each_case(&cases, |(what, bytes, variant, named)| {
        refused(what, bytes, variant, named);
    });

    println!("{} kinds of tensors refused", cases.len());
}

/// Checks that every tensor of a model is required, with its own shape.
#[test]
fn every_tensor_counts() {
    let good = checkpoint(&small(), 1);
    for index in 0..good.tensors.len() {
        let mut without = good.clone();
        let tensor = without.tensors.remove(index);
        refused(
            &tensor.name,
            &without.bytes(),
            "MissingTensor",
            &[&tensor.name, &format!("{:?}", tensor.shape)],
        );
    }

    println!("{} tensors left out, one at a time", good.tensors.len());
    assert!(good.tensors.len() > 100);
}

/// Checks that demucs' compression of absent DConv branches is not refused as too strong.
#[test]
fn what_does_not_count_is_not_judged() {
    let without_dconv = with(
        with(small(), "dconv_mode", json!(0)),
        "dconv_comp",
        json!(8),
    );
    assert!(Model::read(&checkpoint(&without_dconv, 1).bytes()).is_ok());
}
