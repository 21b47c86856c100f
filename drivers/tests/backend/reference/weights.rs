//! Every tensor of a file as f32, and which of them were read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use haechi_drivers::gguf::File;
use haechi_drivers::quant;

use super::math::dot;

/// Vectors that are multiplied with a row while it is at hand.
const TOGETHER: usize = 32;

pub(super) struct Weights {
    tensors: BTreeMap<String, Tensor>,
    read: RefCell<BTreeSet<String>>,
}

struct Tensor {
    columns: usize,
    values: Vec<f32>,
}

/// Rows of a tensor.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    columns: usize,
    values: &'a [f32],
}

impl Weights {
    pub(super) fn read(file: &File) -> Self {
        let mut buffer = Vec::new();
        let tensors = file.header().tensors.iter().map(|tensor| {
            let count = tensor.dimensions.iter().product::<u64>() as usize;
            let bytes = file.read_tensor(tensor, &mut buffer).unwrap();
            let mut values = vec![0.0; count];
            quant::dequantize(tensor.dtype, bytes, &mut values).unwrap();
            (tensor.name.clone(), Tensor { columns: tensor.dimensions[0] as usize, values })
        });
        Self { tensors: tensors.collect(), read: RefCell::default() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub(super) fn vector(&self, name: &str) -> &[f32] {
        self.matrix(name).values
    }

    pub(super) fn matrix(&self, name: &str) -> Matrix<'_> {
        let tensor = self.tensors.get(name).unwrap_or_else(|| panic!("there is no tensor `{name}`"));
        self.read.borrow_mut().insert(name.to_owned());
        Matrix { columns: tensor.columns, values: &tensor.values }
    }

    /// # Panics
    /// If a tensor was not read: what it is for is not written here.
    pub(super) fn all_read(&self) {
        let read = self.read.borrow();
        let unread: Vec<_> = self.tensors.keys().filter(|name| !read.contains(*name)).collect();
        assert!(unread.is_empty(), "the reference has no use for {unread:?}");
    }
}

impl<'a> Matrix<'a> {
    pub(super) fn row(self, row: usize) -> &'a [f32] {
        &self.values[row * self.columns..][..self.columns]
    }

    /// `count` rows from `first` on.
    pub(super) fn rows(self, first: usize, count: usize) -> Self {
        Self { columns: self.columns, values: &self.values[first * self.columns..][..count * self.columns] }
    }

    /// With each vector. A row is fetched once for as many of them as stay in a cache, and every core takes some: or a big
    /// model would take hours.
    pub(super) fn times(self, x: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let rows = self.values.len() / self.columns;
        let mut out = vec![vec![0.0; rows]; x.len()];
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = x.len().div_ceil(cores).max(1);
        std::thread::scope(|scope| {
            for (out, x) in out.chunks_mut(share).zip(x.chunks(share)) {
                scope.spawn(move || {
                    for (out, x) in out.chunks_mut(TOGETHER).zip(x.chunks(TOGETHER)) {
                        for (i, row) in self.values.chunks(self.columns).enumerate() {
                            out.iter_mut().zip(x).for_each(|(out, x)| out[i] = dot(row, x));
                        }
                    }
                });
            }
        });
        out
    }

    pub(super) fn times_one(self, x: &[f32]) -> Vec<f32> {
        self.values.chunks(self.columns).map(|row| dot(row, x)).collect()
    }
}
