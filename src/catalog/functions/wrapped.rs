//! A function around another of DataFusion's: it is called and described as that one, and only computes in its own way.

/// All that a `ScalarUDFImpl` says of itself, taken from the function in the field of this name.
macro_rules! described_as {
    ($function:ident) => {
        fn name(&self) -> &str {
            self.$function.name()
        }

        fn aliases(&self) -> &[String] {
            self.$function.aliases()
        }

        fn signature(&self) -> &Signature {
            self.$function.signature()
        }

        fn coerce_types(&self, types: &[DataType]) -> datafusion::common::Result<Vec<DataType>> {
            self.$function.inner().coerce_types(types)
        }

        fn return_type(&self, types: &[DataType]) -> datafusion::common::Result<DataType> {
            self.$function.return_type(types)
        }

        fn return_field_from_args(
            &self,
            arguments: ReturnFieldArgs,
        ) -> datafusion::common::Result<FieldRef> {
            self.$function.return_field_from_args(arguments)
        }

        fn documentation(&self) -> Option<&Documentation> {
            self.$function.documentation()
        }
    };
}

pub(super) use described_as;
