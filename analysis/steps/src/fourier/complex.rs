//! Complex numbers in double precision, with each product rounded the same everywhere (no fused multiply-add).

use std::ops::{Add, Mul, Sub};

/// A complex number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Complex {
    /// From its parts.
    #[must_use]
    pub fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// `exp(-2 pi i k / n)`, with the fraction reduced first so that it is accurate for every k.
    pub(crate) fn root(k: u64, n: u64) -> Self {
        let fraction = (k % n) as f64 / n as f64;
        let (sin, cos) = libm::sincos(-std::f64::consts::TAU * fraction);
        Self { re: cos, im: sin }
    }

    /// The conjugate.
    #[must_use]
    pub fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }

    /// Times a real factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { re: self.re * factor, im: self.im * factor }
    }

    /// Times `-i`.
    pub(crate) fn turned(self) -> Self {
        Self { re: self.im, im: -self.re }
    }

    /// `re^2 + im^2`.
    pub(crate) fn power(self) -> f64 {
        self.re * self.re + self.im * self.im
    }
}

impl Add for Complex {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}
