//! ONNX operators that the model uses. Each returns a value whose shape has been computed and
//! checked.
//!
//! Assertions here guard against mistakes in this crate, not in its input: a checkpoint's shapes
//! are checked when it is read.

use super::graph::{Attribute, Element, Graph, Value};

/// Window of a 2-D convolution over (frequency, time).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) strides: [usize; 2],
    /// Numbers of zeros added before and after, for each axis: `[before, after]`.
    pub(crate) pads: [[usize; 2]; 2],
    pub(crate) dilations: [usize; 2],
}

impl Window {
    /// Window that moves one step at a time, without padding.
    pub(crate) const PLAIN: Window = Window {
        strides: [1, 1],
        pads: [[0, 0], [0, 0]],
        dilations: [1, 1],
    };
}

fn ints(numbers: impl IntoIterator<Item = usize>) -> Vec<i64> {
    numbers.into_iter().map(|n| n as i64).collect()
}

impl Graph {
    /// Adds a convolution of `x` [B, C, F, T] with `weight` [O, C, KF, KT] and `bias` [O].
    pub(crate) fn conv(
        &mut self,
        x: &Value,
        weight: &Value,
        bias: &Value,
        window: Window,
    ) -> Value {
        assert_eq!(x.size(1), weight.size(1), "input channels");
        assert_eq!(weight.size(0), bias.size(0), "output channels");
        let length = |axis: usize| {
            let [before, after] = window.pads[axis];
            let reach = window.dilations[axis] * (weight.size(2 + axis) - 1) + 1;
            (x.size(2 + axis) + before + after - reach) / window.strides[axis] + 1
        };

        let shape = vec![x.size(0), weight.size(0), length(0), length(1)];
        let [[top, bottom], [left, right]] = window.pads;
        let attributes = [
            (
                "kernel_shape",
                Attribute::Ints(ints(weight.shape()[2..].iter().copied())),
            ),
            ("strides", Attribute::Ints(ints(window.strides))),
            ("pads", Attribute::Ints(ints([top, left, bottom, right]))),
            ("dilations", Attribute::Ints(ints(window.dilations))),
        ];

        let given = self.node("Conv", &[x, weight, bias], &attributes, shape, x.element);
        self.count_products(&given, weight.shape[1..].iter().product());
        given
    }

    /// Adds a matrix product over the last two axes. The other axes broadcast.
    pub(crate) fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        let (rows, inner) = (a.shape[a.shape.len() - 2], a.shape[a.shape.len() - 1]);
        let columns = b.shape[b.shape.len() - 1];

        assert_eq!(
            inner,
            b.shape[b.shape.len() - 2],
            "inner dimensions of a product"
        );

        let mut shape = broadcast(&a.shape[..a.shape.len() - 2], &b.shape[..b.shape.len() - 2]);
        shape.extend([rows, columns]);

        let given = self.node("MatMul", &[a, b], &[], shape, a.element);
        self.count_products(&given, inner);
        given
    }

    /// Adds an element-wise sum.
    pub(crate) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Add", a, b)
    }

    /// Adds an element-wise difference.
    pub(crate) fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Sub", a, b)
    }

    /// Adds an element-wise product.
    pub(crate) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Mul", a, b)
    }

    /// Adds an element-wise maximum.
    pub(crate) fn max(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Max", a, b)
    }

    fn binary(&mut self, op_type: &str, a: &Value, b: &Value) -> Value {
        assert_eq!(a.element, b.element, "element types of {op_type}");
        let shape = broadcast(&a.shape, &b.shape);
        self.node(op_type, &[a, b], &[], shape, a.element)
    }

    fn unary(&mut self, op_type: &str, x: &Value) -> Value {
        self.node(op_type, &[x], &[], x.shape.clone(), x.element)
    }

    /// Adds a square root.
    pub(crate) fn sqrt(&mut self, x: &Value) -> Value {
        self.unary("Sqrt", x)
    }

    /// Adds the reciprocal of `x`.
    pub(crate) fn reciprocal(&mut self, x: &Value) -> Value {
        self.unary("Reciprocal", x)
    }

    /// Adds a logistic function.
    pub(crate) fn sigmoid(&mut self, x: &Value) -> Value {
        self.unary("Sigmoid", x)
    }

    /// Adds a hyperbolic tangent.
    pub(crate) fn tanh(&mut self, x: &Value) -> Value {
        self.unary("Tanh", x)
    }

    /// Adds a Gaussian error linear unit, the exact one (with `erf`).
    pub(crate) fn gelu(&mut self, x: &Value) -> Value {
        self.unary("Gelu", x)
    }

    /// Adds a rectified linear unit.
    pub(crate) fn relu(&mut self, x: &Value) -> Value {
        self.unary("Relu", x)
    }

    /// Adds a softmax over the last axis.
    pub(crate) fn softmax(&mut self, x: &Value) -> Value {
        self.node(
            "Softmax",
            &[x],
            &[("axis", Attribute::Int(-1))],
            x.shape.clone(),
            x.element,
        )
    }

    /// Adds a layer normalisation over the last axis.
    pub(crate) fn layer_norm(
        &mut self,
        x: &Value,
        gain: &Value,
        shift: &Value,
        epsilon: f32,
    ) -> Value {
        let attributes = [
            ("axis", Attribute::Int(-1)),
            ("epsilon", Attribute::Float(epsilon)),
        ];
        self.node(
            "LayerNormalization",
            &[x, gain, shift],
            &attributes,
            x.shape.clone(),
            x.element,
        )
    }

    /// Adds a mean over `axes`, which stay as axes of size 1. The last axis is reduced first: a sum
    /// of sums loses less precision than one long sum.
    pub(crate) fn mean(&mut self, x: &Value, axes: &[usize]) -> Value {
        match axes {
            [outer @ .., last] if !outer.is_empty() => {
                let rows = self.reduce_mean(x, &[*last]);
                self.reduce_mean(&rows, outer)
            }
            axes => self.reduce_mean(x, axes),
        }
    }

    fn reduce_mean(&mut self, x: &Value, axes: &[usize]) -> Value {
        let mut shape = x.shape.clone();
        axes.iter().for_each(|&axis| shape[axis] = 1);

        let axes = self.integers(&ints(axes.iter().copied()));
        self.node(
            "ReduceMean",
            &[x, &axes],
            &[("keepdims", Attribute::Int(1))],
            shape,
            x.element,
        )
    }

    /// Adds a reshape: the same elements in another shape.
    pub(crate) fn reshape(&mut self, x: &Value, shape: &[usize]) -> Value {
        assert_eq!(
            x.shape.iter().product::<usize>(),
            shape.iter().product::<usize>(),
            "elements of a reshape"
        );
        let sizes = self.integers(&ints(shape.iter().copied()));
        self.node("Reshape", &[x, &sizes], &[], shape.to_vec(), x.element)
    }

    /// Adds a transposition: axis `i` of the result is axis `order[i]` of `x`.
    pub(crate) fn transpose(&mut self, x: &Value, order: &[usize]) -> Value {
        let shape = order.iter().map(|&axis| x.shape[axis]).collect();
        let attributes = [("perm", Attribute::Ints(ints(order.iter().copied())))];
        self.node("Transpose", &[x], &attributes, shape, x.element)
    }

    /// Adds a concatenation of `parts` along `axis`.
    pub(crate) fn concat(&mut self, parts: &[&Value], axis: usize) -> Value {
        let mut shape = parts[0].shape.clone();
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        self.node(
            "Concat",
            parts,
            &[("axis", Attribute::Int(axis as i64))],
            shape,
            parts[0].element,
        )
    }

    /// Adds a selection of the elements `start..end` along `axis`.
    pub(crate) fn slice(&mut self, x: &Value, axis: usize, start: usize, end: usize) -> Value {
        assert!(
            start < end && end <= x.shape[axis],
            "slice {start}..{end} of {:?}",
            x.shape
        );
        let mut shape = x.shape.clone();
        shape[axis] = end - start;
        let [start, end, axis] = [start, end, axis].map(|n| self.integers(&[n as i64]));
        self.node("Slice", &[x, &start, &end, &axis], &[], shape, x.element)
    }

    /// Adds a selection of the elements of `x` at `places` along `axis`, in that order.
    pub(crate) fn gather(&mut self, x: &Value, axis: usize, places: &[usize]) -> Value {
        assert!(
            places.iter().all(|&place| place < x.shape[axis]),
            "places {places:?} of {:?}",
            x.shape
        );

        let mut shape = x.shape.clone();
        shape[axis] = places.len();

        let places = self.integers(&ints(places.iter().copied()));
        self.node(
            "Gather",
            &[x, &places],
            &[("axis", Attribute::Int(axis as i64))],
            shape,
            x.element,
        )
    }

    /// Adds a repetition of `x` along its axes of size 1 up to `shape`.
    pub(crate) fn expand(&mut self, x: &Value, shape: &[usize]) -> Value {
        let sizes = self.integers(&ints(shape.iter().copied()));
        self.node("Expand", &[x, &sizes], &[], shape.to_vec(), x.element)
    }

    /// Adds a padding of `x` with `before` and `after` elements at the ends of its last axis,
    /// mirrored about its first and last elements.
    pub(crate) fn pad_reflect(&mut self, x: &Value, before: usize, after: usize) -> Value {
        self.pad("reflect", x, x.shape.len() - 1, before, after)
    }

    /// Adds a padding of `x` with `before` and `after` zeros at the ends of `axis`.
    pub(crate) fn pad_zeros(
        &mut self,
        x: &Value,
        axis: usize,
        before: usize,
        after: usize,
    ) -> Value {
        self.pad("constant", x, axis, before, after)
    }

    fn pad(&mut self, mode: &str, x: &Value, axis: usize, before: usize, after: usize) -> Value {
        let rank = x.shape.len();
        let mut pads = vec![0; 2 * rank];
        (pads[axis], pads[rank + axis]) = (before as i64, after as i64);

        let mut shape = x.shape.clone();
        shape[axis] += before + after;

        let pads = self.integers(&pads);
        self.node(
            "Pad",
            &[x, &pads],
            &[("mode", Attribute::Text(mode))],
            shape,
            x.element,
        )
    }

    /// Adds a conversion of `x` to float32, if needed.
    pub(crate) fn cast_to_f32(&mut self, x: &Value) -> Value {
        self.cast(x, Element::F32)
    }

    /// Adds a conversion of `x` to the compute type, if needed.
    pub(crate) fn cast_to_compute_type(&mut self, x: &Value) -> Value {
        self.cast(x, self.compute_type())
    }

    fn cast(&mut self, x: &Value, element: Element) -> Value {
        if x.element == element {
            return x.clone();
        }
        let attributes = [("to", Attribute::Int(element as i64))];
        self.node("Cast", &[x], &attributes, x.shape.clone(), element)
    }
}

/// Returns the shape that `a` and `b` broadcast to.
fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len())
            .checked_sub(rank)
            .map_or(1, |axis| shape[axis])
    };

    let join = |axis| match (size(a, axis), size(b, axis)) {
        (x, y) if x == y || y == 1 => x,
        (1, y) => y,
        (x, y) => unreachable!("{x} and {y} do not broadcast: {a:?}, {b:?}"),
    };

    (0..rank).map(join).collect()
}
